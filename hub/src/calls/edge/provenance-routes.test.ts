import { buildHello, buildResult } from "@sonde/schemas/testing";
import { encodeBody, type PackReport } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../../testing/start-hub.ts";

// The provenance that a running hub tells of a call, with an agent that the test plays.
const APPROVED = { by: "root", at: "2026-01-02T03:04:05.000Z" };
let hub: TestHub;
let agent: AgentSession;

beforeAll(async () => {
  hub = await startHub();
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  agent = await hub.connect();
  agent.socket.on("message", (frame: Buffer) => {
    const { header } = agent.channel.open(frame);
    if (header.type !== "call" || header.callId === null) return;
    const body = encodeBody(buildResult(header.callId));
    agent.socket.send(agent.channel.seal({ type: "result", callId: header.callId, body }));
  });
  const body = encodeBody(buildHello({ packs: [packOf(APPROVED)] }));
  agent.socket.send(agent.channel.seal({ type: "hello", body }));
  await untilApproved(APPROVED);
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

const packOf = (approved: PackReport["approved"]): PackReport => ({
  ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
  ...{ signer: null, probes: ["greet"], approved, reason: null },
});

async function untilApproved(approved: PackReport["approved"]): Promise<void> {
  await vi.waitFor(async () => {
    const { answer } = await hub.ask("GET", "/agents/web-1");
    expect(answer["packs"]).toMatchObject([{ approved }]);
  }, 15_000);
}

async function report(approved: PackReport["approved"]): Promise<void> {
  const { auditHead, registryHead } = buildHello();
  const body = encodeBody({ packs: [packOf(approved)], auditHead, registryHead });
  agent.socket.send(agent.channel.seal({ type: "pack-report", body }));
  await untilApproved(approved);
}

/** Calls the agent's probe as an MCP client. @returns the call's id */
async function call(): Promise<string> {
  const params = { name: "acme__hello_greet", arguments: { agent: "web-1" } };
  const response = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${hub.operatorKey}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
  const text = await response.text();
  const { result } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as {
    result: { isError: boolean; _meta: Record<string, string> };
  };
  expect(result.isError).toBe(false);
  return result._meta["sonde.dev/callId"] ?? "";
}

const provenanceOf = async (callId: string) => (await hub.ask("GET", `/calls/${callId}`)).answer;

test("a call's approval and signer are those of its time", async () => {
  const callId = await call();
  const before = await provenanceOf(callId);
  expect(before).toMatchObject({ approved: APPROVED, pack: { name: "acme/hello" } });
  await report({ by: "mallory", at: "2026-02-02T03:04:05.000Z" });
  expect(await provenanceOf(callId)).toEqual(before);
  expect(await provenanceOf(await call())).toMatchObject({ approved: { by: "mallory" } });
  await report(null);
  expect(await provenanceOf(callId)).toEqual(before);
  expect(await provenanceOf(await call())).toMatchObject({ approved: null });
  await report(APPROVED);
});

test("a record of the first release says that the approval was not recorded", async () => {
  const callId = await call();
  const { sql, ...database } = await hub.openDatabase();
  await hub.ask("GET", `/calls/${callId}`);
  await sql`update audit_log set record =
    (record::jsonb #- '{detail,pack}' #- '{detail,approved}')::text
    where call_id = ${callId} and event = 'call.request'`;
  await database.close();
  expect(await provenanceOf(callId)).toMatchObject({
    approved: "unrecorded",
    pack: { name: "acme/hello", version: "1.0.0", signer: expect.stringContaining("acme") },
  });
});

test("a call's provenance outlives its agent and its pack", async () => {
  const callId = await call();
  const before = await provenanceOf(callId);
  const { sql, ...database } = await hub.openDatabase();
  for (const table of ["desired_packs", "agent_certificates", "agents", "tool_pins", "packs"]) {
    await sql`delete from ${sql(table)}`;
  }
  await database.close();
  await hub.restart();
  expect((await hub.ask("GET", "/agents/web-1")).code).toBe("AGENT_UNKNOWN");
  expect(await provenanceOf(callId)).toEqual(before);
});
