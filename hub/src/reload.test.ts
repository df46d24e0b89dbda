import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "./testing/start-hub.ts";

// SIGHUP to a hub as a process, with a connected agent.
let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const http = (change: object) => ({
  http: { host: "127.0.0.1", port: 0, behindProxy: false, publicHosts: ["hub.example"], ...change },
});

/** @returns the status of a request to a host name */
async function ask(host: string): Promise<number | undefined> {
  const asked = request({
    port: hub.ready.http,
    host: "127.0.0.1",
    path: "/health",
    headers: { host },
  });
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

test("what a running hub can take over counts at once, and no agent's connection ends", async () => {
  const { socket } = await hub.connect();
  expect([await ask("localhost"), await ask("hub.example")]).toEqual([200, 403]);
  expect(await hub.reload(http({}))).toContain(
    "configuration reloaded; taken over: http.publicHosts",
  );
  expect([await ask("localhost"), await ask("hub.example")]).toEqual([200, 200]);
  expect(await hub.reload({ ...http({ port: 4310 }), callTimeoutMs: 900 })).toContain(
    "taken over: callTimeoutMs; restart to apply: http.port",
  );
  expect([await ask("hub.example"), socket.readyState]).toEqual([200, socket.OPEN]);
  socket.close();
});

test.each([
  ["has an unknown key", { more: 1 }, "CONFIG_INVALID"],
  ["names a policy that is not there", { trustPolicyPath: "/nonexistent" }, "CONFIG_INVALID"],
  ["trusts everybody's word about addresses", http({ trustedProxies: ["::/0"] }), "CONFIG_INVALID"],
  ["opens a listener without TLS", http({ host: "0.0.0.0" }), "INSECURE_LISTENER"],
])("a file that %s changes nothing, and the log says why", async (_what, change, code) => {
  await hub.reload(http({}));
  const said = await hub.reload({ ...http({ publicHosts: [] }), ...change });
  expect(said).toContain(`configuration not reloaded, nothing was changed: ${code}: `);
  expect(await ask("hub.example")).toBe(200);
});
