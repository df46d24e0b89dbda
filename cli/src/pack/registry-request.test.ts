import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ensureAccounts } from "../start/system-users.ts";
import { expect, test } from "vitest";
import { requestRegistry } from "./registry-request.ts";

/** Listens in a process of that user, and prints its port and what clients send. */
const LISTENER = `
  const server = require("node:http").createServer((request, response) => {
    console.log(String(request.headers.authorization));
    response.end("{}");
  });
  server.listen(0, process.argv[1], () => console.log(server.address().port));`;

async function listen(host: string, uid: number) {
  const child = spawn(process.execPath, ["-e", LISTENER, host], {
    ...{ stdio: ["ignore", "pipe", "inherit"], cwd: "/", uid, gid: uid },
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  await expect.poll(() => lines.length).toBe(1);
  return {
    port: lines[0],
    got: () => lines.slice(1),
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "exit");
    },
  };
}

const send = (address: string) =>
  requestRegistry(address, "/packs/acme/hello/1.0.0", { method: "PUT", token: "sonde_pt_x" });
const NOBODY = 65_534;

test.runIf(process.getuid?.() === 0).each([
  ["127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "127.0.0.1"],
  ["::", "127.0.0.1"],
  ["::", "[::1]"],
  ["::1", "[::1]"],
  ["::1", "localhost"],
  ["::ffff:127.0.0.1", "localhost"],
])("attack 77: who took a registry's port at %s gets no token for %s", async (host, name) => {
  await using other = await listen(host, NOBODY);
  await expect(send(`http://${name}:${other.port}`)).rejects.toMatchObject({
    code: "REGISTRY_UNTRUSTED",
    message: expect.stringContaining(`user ${NOBODY} listens there`),
  });
  expect(other.got()).toEqual([]);
});

test("attack 77: where nobody listens a registry is not there", async () => {
  await expect(send("http://127.0.0.1:9")).rejects.toMatchObject({ code: "REGISTRY_UNAVAILABLE" });
});

test("a registry of the present user, or of the registry's, gets the token", async () => {
  const owners = new Set([process.getuid?.() ?? -1, ensureAccounts().registry.uid]);
  for (const uid of owners) {
    await using registry = await listen("127.0.0.1", uid);
    expect(await send(`http://127.0.0.1:${registry.port}`)).toEqual({});
    await expect.poll(registry.got).toEqual(["Bearer sonde_pt_x"]);
  }
});
