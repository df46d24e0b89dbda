import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "./testing/start-hub.ts";

// The hub as a process: what a start, a stop and its configuration do.
const UNKNOWN_KEY = `sonde_ak_${"x".repeat(43)}`;
let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

test("a publisher removed from trust.json is refused without a restart", async () => {
  const install = () =>
    hub.ask("PUT", `/agents/${hub.agent.name}/packs/acme/hello`, { version: "1.0.0" });
  expect((await install()).code).toBe(200);
  hub.setTrusted(false);
  expect((await install()).code).toBe("SIGNER_UNTRUSTED");
  hub.setTrusted(true);
  expect((await install()).code).toBe(200);
  // Each version is verified by a program of its own, which takes seconds to start on a busy machine.
}, 120_000);

test("refused keys are in the audit log: the first at once, the rest by count, also at a stop", async () => {
  for (let index = 0; index < 3; index++) {
    expect((await hub.ask("GET", "/agents", undefined, UNKNOWN_KEY)).code).toBe("UNAUTHENTICATED");
  }
  const counts = async () => {
    const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
    const entries = answer["entries"] as { record: { event: string; detail: object } }[];
    return entries.flatMap(({ record: { event, detail } }) =>
      event === "key.refused" ? [detail] : [],
    );
  };
  await expect.poll(counts).toEqual([{ address: "127.0.0.1", count: 1 }]);
  await hub.restart();
  expect(await counts()).toEqual([
    { address: "127.0.0.1", count: 1 },
    { address: "127.0.0.1", count: 2 },
  ]);
});

test("a hub without an operator's key in force makes one at its next start, and only then", async () => {
  const first = hub.operatorKey;
  await hub.restart();
  expect(hub.operatorKey).toBe(first);
  const { answer } = await hub.ask("GET", "/api-keys");
  const [own] = answer["keys"] as { id: string }[];
  expect((await hub.ask("DELETE", `/api-keys/${own?.id}`)).code).toBe(200);
  await hub.restart();
  expect(hub.operatorKey).not.toBe(first);
  expect((await hub.ask("GET", "/agents")).code).toBe(200);
  expect((await hub.ask("GET", "/agents", undefined, first)).code).toBe("UNAUTHENTICATED");
});
