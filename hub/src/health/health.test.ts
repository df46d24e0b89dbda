import { buildHello, buildResult } from "@sonde/schemas/testing";
import { encodeBody, type PackReport } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// What a running hub tells of itself, with an agent that the test plays.
let hub: TestHub;
let agent: AgentSession;
let scraper: string;

beforeAll(async () => {
  hub = await startHub();
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  scraper = (await hub.addKey({ role: "metrics", agents: "*", probes: "*" })).key;
  await join();
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

/** The agent connects, and answers each call. */
async function join(): Promise<void> {
  agent = await hub.connect();
  agent.socket.on("message", (frame: Buffer) => {
    const { header } = agent.channel.open(frame);
    if (header.type !== "call" || header.callId === null) return;
    const body = encodeBody(buildResult(header.callId));
    agent.socket.send(agent.channel.seal({ type: "result", callId: header.callId, body }));
  });
  const pack: PackReport = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ signer: null, probes: ["greet"], approved: null, reason: null },
  };
  const body = encodeBody(buildHello({ packs: [pack] }));
  agent.socket.send(agent.channel.seal({ type: "hello", body }));
  await vi.waitFor(async () => {
    const { answer } = await hub.ask("GET", "/agents/web-1");
    expect(answer["packs"]).toMatchObject([{ state: "active" }]);
  }, 30_000);
}

async function scrape(key: string | null = scraper) {
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  const answer = await fetch(`http://127.0.0.1:${hub.ready.http}/metrics`, { headers });
  return {
    status: answer.status,
    type: answer.headers.get("content-type"),
    text: await answer.text(),
  };
}

const LINE =
  /^([a-z][a-z0-9_]*)(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? (-?[0-9.e+-]+)$/;

/** Reads the text format as a scraper does. @throws for a line that it would refuse */
function parse(text: string): Map<string, number> {
  expect(text.endsWith("\n")).toBe(true);
  const values = new Map<string, number>();
  let family = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) family = type[1] ?? "";
    if (line.startsWith("# ")) continue;
    const [, name = "", labels = "", value = ""] = LINE.exec(line) ?? [];
    expect(name.replace(/_(bucket|sum|count)$/, ""), line).toBe(family.replace(/_count$/, ""));
    expect(values.has(name + labels), line).toBe(false);
    values.set(name + labels, Number(value));
  }
  return values;
}

const ask = (path: string, body: object) => hub.ask("POST", path, body);
const greet = (params: object) =>
  ask("/tools/acme__hello_greet/call", { agent: "web-1", arguments: params });

test("attack 24: numbers are told to nobody without a key that may read them", async () => {
  expect((await scrape(null)).status).toBe(401);
  const client = await hub.addKey();
  expect((await scrape(client.key)).status).toBe(403);
  expect((await scrape()).status).toBe(200);
  const narrowed = await hub.ask("POST", "/api-keys", {
    name: "one host",
    policy: { role: "auditor", agents: "*", probes: "*" },
    held: { agents: { allow: ["web-9"] } },
  });
  expect((await scrape(narrowed.answer["key"] as string)).status).toBe(403);
});

test("attack 24: a key for numbers reads numbers and nothing else", async () => {
  expect((await hub.ask("GET", "/health", undefined, scraper)).code).toBe(200);
  for (const path of ["/agents", "/audit?afterSeq=0&limit=1", "/registry", "/api-keys", "/tools"]) {
    expect((await hub.ask("GET", path, undefined, scraper)).code, path).toBe("FORBIDDEN");
  }
});

test("what is told is the text that Prometheus reads, and the same as the console's", async () => {
  const { text, type } = await scrape();
  expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
  const values = parse(text);
  const { answer } = await hub.ask("GET", "/health");
  expect(answer).toMatchObject({ agents: { online: 1, offline: 0, held: 0, ending: 0 }, hubs: 1 });
  expect(values.get('sonde_agents{state="online"}')).toBe(1);
  expect(values.get('sonde_agents{state="offline"}')).toBe(0);
  expect(values.get("sonde_registry_log_consistent")).toBe(1);
  expect(values.get("sonde_audit_log_entries")).toBeGreaterThan(3);
  expect(values.get("sonde_audit_log_consistent")).toBe(1);
  await hub.ask("POST", "/audit/checkpoints");
  expect(parse((await scrape()).text).get("sonde_audit_log_unattested")).toBe(0);
  expect(values.get('sonde_certificate_expiry_seconds{of="agents"}')).toBeGreaterThan(86_400);
  expect(values.get("sonde_database_answer_seconds")).toBeGreaterThan(0);
});

test("calls are counted by outcome and timed by probe", async () => {
  const before = parse((await scrape()).text);
  expect((await greet({})).code).toBe(200);
  await ask("/tools/acme__hello_none/call", {});
  const change = async (name: string): Promise<number> =>
    (parse((await scrape()).text).get(name) ?? 0) - (before.get(name) ?? 0);
  // The record of an answer is written soon after it.
  await expect.poll(() => change('sonde_calls_total{code="ok"}')).toBe(1);
  expect(await change('sonde_calls_total{code="PROBE_UNKNOWN"}')).toBe(1);
  expect(await change('sonde_call_duration_seconds_count{tool="acme/hello.greet"}')).toBe(1);
  const route = 'method="POST",route="/api/v1/tools/:tool/call"';
  expect(await change(`sonde_http_requests_total{${route},status="200"}`)).toBe(2);
});

test("a refused request is counted by its code, and a stranger's words are not told", async () => {
  const before = parse((await scrape()).text);
  const port = hub.ready.http;
  await fetch(`http://127.0.0.1:${port}/hunter2-a`, { method: "PROPFIND" });
  await fetch(`http://127.0.0.1:${port}/api/v1/agents/hunter2-b`, {
    headers: { authorization: "Bearer hunter2-c" },
  });
  await greet({ note: "--password hunter2-d" });
  await ask("/tools/hunter2-e/call", { agent: "hunter2-f" });
  const { text } = await scrape();
  const after = parse(text);
  const refused = 'sonde_http_requests_refused_total{code="UNAUTHENTICATED"}';
  expect((after.get(refused) ?? 0) - (before.get(refused) ?? 0)).toBe(1);
  expect(text).not.toContain("hunter2");
  // Agents, keys and people have names that numbers need not have.
  for (const name of ["web-1", "Claude", "key:", "person:", "127.0.0.1"]) {
    expect(text).not.toContain(name);
  }
});

test("attack 40: a scrape is no entry of the audit log", async () => {
  const size = async () => parse((await scrape()).text).get("sonde_audit_log_entries");
  const before = await size();
  for (let index = 0; index < 5; index++) await scrape();
  expect(await size()).toBe(before);
});

test("an agent whose certificate ends soon is named with the seconds that are left", async () => {
  agent.socket.terminate();
  await hub.restart(async () => {
    const { sql, ...database } = await hub.openDatabase();
    await sql`update agent_certificates set expires_at = now() + interval '1 hour'`;
    await database.close();
  });
  const { answer } = await hub.ask("GET", "/health");
  expect(answer).toMatchObject({
    agents: { offline: 1, ending: 1, endingFirst: [{ agent: "web-1" }] },
  });
  const values = parse((await scrape()).text);
  const left = values.get('sonde_agent_certificate_expiry_seconds{agent="web-1"}') ?? 0;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(3_600);
  expect(values.get("sonde_agent_certificates_ending")).toBe(1);
});
