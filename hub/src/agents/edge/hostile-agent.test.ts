import { once } from "node:events";
import { buildHello } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

// What an agent with a valid certificate can do to its hub.
let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const PATH = "/agents/web-1/packs/acme/hello";
const install = async () => (await hub.ask("PUT", PATH, { version: "1.0.0" })).code;

test.each([
  ["NUL", "Debian\u0000", "Debian\ufffd"],
  ["a lone surrogate", "Debian\ud800", "Debian\ufffd"],
  ["what looks like an escape", "Debian\\u0000", "Debian\\u0000"],
])("attack 8: a statement with %s is kept", async (_what, os, kept) => {
  const { socket, channel } = await hub.connect();
  const hello = { ...buildHello({ os }), [os]: os };
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  const stored = async () => (await hub.ask("GET", "/agents/web-1")).answer["os"];
  await expect.poll(stored, { timeout: 15_000 }).toBe(kept);
  const gone = once(socket, "close");
  socket.close();
  await gone;
});

test("attack 8: what no release knows of a statement reaches nobody", async () => {
  const { socket, channel } = await hub.connect();
  const unknown = { unknown: "planted" };
  const pack = {
    ...{ name: "acme/hello", version: "1.0.0", digest: null, state: "failed", probes: ["greet"] },
    signer: { kind: "rsa-sha256", publisher: "acme", keyId: hub.digest, ...unknown },
    approved: { by: "root", at: "2026-01-01T00:00:00.000Z", ...unknown },
    reason: { code: "PACK_FAILED", message: "no", ...unknown },
    ...unknown,
  };
  const hello = { ...buildHello({ packs: [pack] }), ...unknown };
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  const { auditHead, registryHead } = hello;
  const report = { packs: [{ ...pack, version: "1.0.1" }], auditHead, registryHead, ...unknown };
  socket.send(channel.seal({ type: "pack-report", body: encodeBody(report) }));
  const shown = async () => (await hub.ask("GET", "/agents/web-1")).answer["packs"];
  await expect.poll(shown, { timeout: 15_000 }).toEqual([
    {
      ...{ name: "acme/hello", version: "1.0.1", digest: null, state: "failed", probes: ["greet"] },
      signer: { kind: "rsa-sha256", publisher: "acme", keyId: hub.digest },
      approved: { by: "root", at: "2026-01-01T00:00:00.000Z" },
      reason: { code: "PACK_FAILED", message: "no" },
    },
  ]);
  const database = await hub.openDatabase();
  const rows = await database.sql`select hello::text || packs::text as stored from agents`;
  await database.close();
  expect(JSON.stringify(rows)).not.toContain("planted");
  const gone = once(socket, "close");
  socket.close();
  await gone;
});

test("attack 69: an agent's false head blocks installations until the agent is removed", async () => {
  expect(await install()).toBe(200);
  const { logKey } = (await hub.ask("GET", "/registry")).answer as { logKey: string };
  const { socket, channel } = await hub.connect();
  const head = { size: 1, hash: `sha256:${"b".repeat(64)}` };
  const hello = buildHello({ registryHead: { logKey, head } });
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  await expect.poll(install, { timeout: 60_000 }).toBe("REGISTRY_LOG_INCONSISTENT");
  const database = await hub.openDatabase();
  await database.sql`insert into agents (id, name, public_key, enrolled_at)
    values (gen_random_uuid(), 'web-2', 'key', now())`;
  await database.sql`insert into changes (kind, id)
    select 'agent', id::text from agents where name = 'web-2'`;
  await database.close();
  const closed = once(socket, "close");
  expect((await hub.ask("DELETE", "/agents/web-1")).code).toBe(200);
  await closed;
  // The hub hears of the second agent soon.
  const installOther = async () =>
    (await hub.ask("PUT", PATH.replace("web-1", "web-2"), { version: "1.0.0" })).code;
  await expect.poll(installOther, { timeout: 60_000 }).toBe(200);
  expect((await hub.ask("GET", "/registry")).answer["forks"]).toEqual([]);
  // Each installation starts the program that checks archives several times.
}, 120_000);
