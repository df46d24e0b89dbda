import type { AuditEntry } from "@sonde/schemas/audit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const REASON = "It answers oddly.";
const quarantine = (reason = REASON, key?: string) =>
  hub.ask("POST", "/agents/web-1/quarantine", { reason }, key);
const release = (key?: string) => hub.ask("POST", "/agents/web-1/release", undefined, key);
const holds = async () => (await hub.ask("GET", "/agents/web-1")).answer["holds"];
async function recordsOf(event: string): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = (answer["entries"] as AuditEntry[]).map(({ record }) => record);
  return entries.filter((record) => record.event === event);
}

test("a quarantine is on record, outlasts a restart, and ends by a release on record", async () => {
  expect((await quarantine()).code).toBe(200);
  await hub.restart();
  expect(await holds()).toMatchObject([
    { kind: "quarantined", reason: REASON, by: expect.stringMatching(/^key:/) as string },
  ]);
  expect(await heldInTheListOfAgents()).toEqual([`quarantined: ${REASON}`]);
  expect((await release()).answer["holds"]).toEqual([]);
  expect(await holds()).toEqual([]);
  expect(await recordsOf("agent.held")).toMatchObject([
    { agent: "web-1", detail: { kind: "quarantined", reason: REASON } },
  ]);
  const [released] = await recordsOf("agent.released");
  expect(released).toMatchObject({ agent: "web-1", detail: { kinds: ["quarantined"] } });
  expect(released?.principal).toMatch(/^key:/);
});

test("what is so already is refused, and is no record", async () => {
  expect((await release()).code).toBe("BAD_REQUEST");
  await quarantine();
  expect((await quarantine("Another reason.")).code).toBe("BAD_REQUEST");
  expect(await holds()).toMatchObject([{ reason: REASON }]);
  await release();
  expect(await recordsOf("agent.held")).toHaveLength(2);
  expect(await recordsOf("agent.released")).toHaveLength(2);
});

test.each(["client", "auditor"] as const)(
  "a key of role %s holds and releases nobody",
  async (role) => {
    const { key } = await hub.addKey({ role, agents: "*", probes: "*" });
    expect((await quarantine(REASON, key)).code).toBe("FORBIDDEN");
    expect(await holds()).toEqual([]);
    await quarantine();
    expect((await release(key)).code).toBe("FORBIDDEN");
    expect(await holds()).toHaveLength(1);
    await release();
  },
);

test.each(["", "two\nlines", "\u001b[2J", "ab\u202ecd", "x".repeat(301)])(
  "%j is no reason",
  async (reason) => {
    expect((await quarantine(reason)).code).toBe("BAD_REQUEST");
    expect(await holds()).toEqual([]);
  },
);

test("an agent that there is not is neither held nor released", async () => {
  const held = await hub.ask("POST", "/agents/nobody/quarantine", { reason: REASON });
  const released = await hub.ask("POST", "/agents/nobody/release");
  expect([held.code, released.code]).toEqual(["AGENT_UNKNOWN", "AGENT_UNKNOWN"]);
});

test("a release ends no hold that came after the person looked", async () => {
  await quarantine();
  const opened = await hub.openDatabase();
  // Another hub holds the agent, and this one has not heard of it yet.
  await opened.sql`insert into agent_holds (agent_id, kind, reason, since, by)
    values (${hub.agent.id}, 'locked', 'Two copies.', now(), 'hub')`;
  expect((await release()).answer["holds"]).toMatchObject([{ kind: "locked" }]);
  await opened.sql`delete from agent_holds`;
  await opened.close();
  await hub.restart();
});

test("the holds of a revoked agent are gone with it", async () => {
  await quarantine();
  expect((await hub.ask("DELETE", "/agents/web-1")).code).toBe(200);
  const opened = await hub.openDatabase();
  expect(await opened.sql`select 1 from agent_holds`).toEqual([]);
  await opened.close();
});

async function heldInTheListOfAgents(): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${hub.operatorKey}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2025-06-18",
    },
    body: JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: "list_agents", arguments: {} },
    }),
  });
  const text = await response.text();
  const { result } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as {
    result: { structuredContent: { results: { data: { held: unknown } }[] } };
  };
  return result.structuredContent.results[0]?.data.held;
}
