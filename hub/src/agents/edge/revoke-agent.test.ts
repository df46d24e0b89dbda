import { once } from "node:events";
import type { AuditEntry } from "@sonde/schemas/audit";
import { buildHello } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

let hub: TestHub;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

const namesIn = (answer: Record<string, unknown>) =>
  (answer["agents"] as { name: string }[]).map(({ name }) => name);

test("a revoked agent's session ends, its certificate is refused, and its tools are gone", async () => {
  const { name, id } = hub.agent;
  const installed = await hub.ask("PUT", `/agents/${name}/packs/acme/hello`, { version: "1.0.0" });
  expect(installed.code).toBe(200);
  expect((await hub.ask("POST", "/enrolment-tokens", { agentName: name })).code).toBe(201);
  const { socket, channel } = await hub.connect();
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
  const pack = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" as const },
    ...{ signer: null, probes: ["greet"], approved: null, reason: null },
  };
  const report = { packs: [pack], auditHead: EMPTY_HEAD, registryHead: null };
  socket.send(channel.seal({ type: "pack-report", body: encodeBody(report) }));
  await expect.poll(listTools).toContain("acme__hello_greet");

  const ended = once(socket, "close") as Promise<[number, Buffer]>;
  const revoked = await hub.ask("DELETE", `/agents/${name}`);
  expect([revoked.code, namesIn(revoked.answer)]).toEqual([200, []]);
  const [code, reason] = await ended;
  expect([code, reason.toString()]).toEqual([1001, "revoked"]);

  await expect(hub.connect()).rejects.toThrow("401");
  expect(await recordsOf("agent.refused")).toMatchObject([{ code: "CERTIFICATE_REFUSED" }]);
  await expect.poll(listTools).not.toContain("acme__hello_greet");
  expect((await hub.ask("GET", `/agents/${name}`)).code).toBe("AGENT_UNKNOWN");
  expect((await hub.ask("DELETE", `/agents/${name}`)).code).toBe("AGENT_UNKNOWN");
  const opened = await hub.openDatabase();
  expect(await opened.sql`select 1 from enrolment_tokens where used_at is null`).toEqual([]);
  await opened.close();
  expect(await recordsOf("agent.revoked")).toMatchObject([{ agent: name, detail: { id } }]);
});

test("a revoked agent stays revoked after a restart of the hub", async () => {
  await hub.restart();
  expect(namesIn((await hub.ask("GET", "/agents")).answer)).toEqual([]);
  await expect(hub.connect()).rejects.toThrow("401");
});

async function recordsOf(event: string): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = (answer["entries"] as AuditEntry[]).map(({ record }) => record);
  return entries.filter((record) => record.event === event);
}

async function listTools(): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${hub.operatorKey}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2025-06-18",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
  });
  const text = await response.text();
  const data = text.startsWith("event:") ? (/^data: (.*)$/m.exec(text)?.[1] ?? "") : text;
  const { result } = JSON.parse(data) as { result: { tools: { name: string }[] } };
  return result.tools.map(({ name }) => name);
}

test("a revoked agent that does not answer the close is cut off within a second", async () => {
  const other = await startHub();
  const { socket, channel } = await other.connect();
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
  await expect.poll(async () => (await other.ask("GET", "/agents/web-1")).answer["os"]).toBe("o");
  // It reads nothing from here on, so it never sees the close.
  socket.pause();
  expect((await other.ask("DELETE", "/agents/web-1")).code).toBe(200);
  const timesOf = async () => {
    const { answer } = await other.ask("GET", "/audit?afterSeq=0&limit=1000");
    const records = (answer["entries"] as AuditEntry[]).map(({ record }) => record);
    return ["agent.revoked", "agent.disconnected"].map((event) =>
      Date.parse(records.find((record) => record.event === event)?.at ?? ""),
    );
  };
  await expect.poll(async () => (await timesOf())[1], { timeout: 5_000 }).toBeGreaterThan(0);
  const [revoked = 0, gone = 0] = await timesOf();
  expect(gone - revoked).toBeLessThan(1_000);
  socket.terminate();
  await other.close();
});
