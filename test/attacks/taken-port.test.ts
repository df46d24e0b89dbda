import { once } from "node:events";
import { type Server, createServer } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findPid } from "../product/processes.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

// Attack class 77: a service dies, and a local user listens at its port before it is started again.

let product: Product;
beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
});
afterAll(() => product?.stop());

async function listensAt(port: number): Promise<Server | false> {
  const server = createServer((_request, response) => response.writeHead(418).end());
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return server;
  } catch {
    // The service has its port still.
    return false;
  }
}

async function statusAt(url: string): Promise<number> {
  try {
    return (await fetch(`${url}/health`)).status;
  } catch {
    return 0;
  }
}

test.each(["hub", "registry"] as const)(
  "attack 77: the %s comes back at its port or not at all",
  async (role) => {
    const url = role === "hub" ? product.hubUrl : product.registryUrl;
    process.kill(await until(role, () => findPid(product, role)), "SIGKILL");
    const other = await until("the port", () => listensAt(Number(new URL(url).port)));
    // It is started again some times meanwhile. At another port, nobody would find it.
    await new Promise((done) => setTimeout(done, 5000));
    expect(await statusAt(url)).toBe(418);
    other.closeAllConnections();
    await new Promise((done) => other.close(done));
    await until("the service at its port", async () => (await statusAt(url)) === 200, 60_000);
  },
);
