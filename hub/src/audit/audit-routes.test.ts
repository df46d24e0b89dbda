import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import {
  type AuditExportEnd,
  parseAuditExportLine,
  parseAuditSearchPage,
} from "@sonde/schemas/audit-search";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { createOAuthClient } from "../testing/oauth-client.ts";
import { type Account, invite, makeOwner } from "../testing/sign-in.ts";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";
import { createAuditStore, openAudit } from "./index.ts";

// The audit log as it is asked over REST: a search, an export and the live log, of a hub that runs.
const TOOL = "acme__hello_greet";
let hub: TestHub;
let agent: AgentSession;
let owner: Account;
let second: Promise<number> | null = null;
/** The port of another hub of the database. */
const otherPort = () => (second ??= hub.startSecond());
const streams: IncomingMessage[] = [];

beforeAll(async () => {
  hub = await startHub();
  owner = await makeOwner(hub);
  await hub.enrol("db-1", ["role=db"]);
  await hub.ask("PUT", "/agents/web-1/packs/acme/hello", { version: "1.0.0" });
  agent = await hub.connect();
  agent.socket.on("message", (frame: Buffer) => {
    const { header } = agent.channel.open(frame);
    if (header.type !== "call" || header.callId === null) return;
    const body = encodeBody(buildResult(header.callId));
    agent.socket.send(agent.channel.seal({ type: "result", callId: header.callId, body }));
  });
  const pack = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" as const },
    ...{ signer: null, probes: ["greet"], approved: null, reason: null },
  };
  agent.socket.send(
    agent.channel.seal({ type: "hello", body: encodeBody(buildHello({ packs: [pack] })) }),
  );
  await vi.waitFor(async () => {
    const { answer } = await hub.ask("GET", "/tools");
    expect((answer["tools"] as { name: string }[]).map(({ name }) => name)).toContain(TOOL);
  }, 15_000);
});
afterEach(() => {
  for (const stream of streams.splice(0)) stream.destroy();
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

const call = async (key?: string, arguments_: object = {}): Promise<string> => {
  const body = { agent: "web-1", arguments: arguments_ };
  const { answer } = await hub.ask("POST", `/tools/${TOOL}/call`, body, key);
  return (answer["callIds"] as string[])[0] ?? "";
};

async function find(filters: Record<string, string>, key?: string): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ ...filters, ...(cursor !== undefined && { cursor }) });
    const { answer, code } = await hub.ask("GET", `/audit?${query.toString()}`, undefined, key);
    expect([code, answer]).toEqual([200, expect.anything()]);
    const page = parseAuditSearchPage(answer);
    found.push(...page.entries);
    cursor = page.next;
  } while (cursor !== undefined);
  return found;
}
const eventsOf = (entries: AuditEntry[]) => entries.map(({ record }) => record.event);
const search = async (query: string, key?: string) =>
  (await hub.ask("GET", `/audit?${query}`, undefined, key)).code;

test("a call's entries say who asked what of which agent, how it ended, how long and with how much", async () => {
  const callId = await call();
  const [request, response] = await find({ call: callId, order: "oldest" });
  expect(request?.record).toMatchObject({
    ...{ event: "call.request", agent: "web-1", probe: "acme/hello.greet", status: "ok" },
    principal: expect.stringMatching(/^key:/) as string,
    detail: { decision: "allow", params: expect.anything() as object },
  });
  expect(response?.record).toMatchObject({
    ...{
      event: "call.response",
      agent: "web-1",
      status: "ok",
      principal: request?.record.principal,
    },
    durationMs: expect.any(Number) as number,
    detail: { redactions: expect.anything() as object },
  });
  expect(response?.record.detail["bytes"]).toBeGreaterThan(100);
  expect(eventsOf(await find({ call: callId }))).toEqual(["call.response", "call.request"]);
});

test("each filter finds its entries, alone and with others", async () => {
  const { id, key } = await hub.addKey();
  const before = new Date();
  const callId = await call(key);
  await hub.ask("POST", "/tools/no_such_tool/call", {}, key);
  await hub.ask("POST", "/agents/db-1/tags", { set: ["rack=a1"], remove: [] });
  const of = (more: Record<string, string>) => find({ ...more, principal: `key:${id}` });

  expect(eventsOf(await of({ tool: TOOL }))).toEqual(["call.response", "call.request"]);
  expect(eventsOf(await of({ tool: "no_such_tool" }))).toEqual(["call.denied"]);
  expect(eventsOf(await of({ probe: "acme/hello.greet", status: "ok" }))).toHaveLength(2);
  expect(eventsOf(await of({ decision: "allow" }))).toEqual(["call.request"]);
  expect(eventsOf(await of({ decision: "deny" }))).toEqual(["call.denied"]);
  expect(eventsOf(await of({ agent: "web-1", event: "call.response" }))).toEqual(["call.response"]);
  expect(await of({ agent: "db-1" })).toEqual([]);
  expect(eventsOf(await find({ tag: "role=db", event: "agent.tagged" }))).toEqual(["agent.tagged"]);
  expect(await find({ tag: "role=db", agent: "web-1" })).toEqual([]);
  expect(eventsOf(await find({ text: "RACK=A1", event: "agent.tagged" }))).toHaveLength(1);
  expect(await of({ since: before.toISOString() })).toHaveLength(3);
  expect(await of({ until: before.toISOString() })).toEqual([]);
  expect(await of({ call: callId, status: "failure" })).toEqual([]);
});

test("a person is found by what they did, by their clients and by their keys, and a client by itself", async () => {
  const ben = await invite(hub, owner, "operator", "ben");
  const client = createOAuthClient(`http://localhost:${hub.ready.http}`);
  const { accessToken, clientId } = await client.connect(ben.cookie);
  const asked = await fetch(`http://localhost:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: TOOL, arguments: { agent: "web-1" } },
    }),
  });
  expect(asked.status).toBe(200);
  const ofClient = await find({ client: clientId });
  const calls = ofClient.filter(({ record }) => record.callId !== null);
  expect(eventsOf(calls)).toEqual(["call.response", "call.request"]);
  // Each entry says for whom, whatever wrote it.
  for (const { record } of ofClient) {
    expect(record.principal).toMatch(/^grant:/);
    expect(record.detail).toMatchObject({ person: `person:${ben.id}`, client: clientId });
  }
  await ben.ask("GET", "/agents");
  const ofPerson = await find({ person: ben.id });
  expect(ofPerson).toEqual(expect.arrayContaining(ofClient));
  expect(ofPerson.some(({ record }) => record.principal === `person:${ben.id}`)).toBe(true);
  expect(await find({ person: ben.id, client: clientId })).toEqual(ofClient);
  // Also when the grant is over.
  await ben.ask("DELETE", `/me/grants/${calls[0]?.record.principal?.slice(6) ?? ""}`);
  expect(await find({ client: clientId })).toEqual(expect.arrayContaining(ofClient));

  const { answer } = await owner.ask("POST", "/api-keys", {
    ...{ name: "script", policy: { role: "auditor", agents: "*", probes: "*" } },
  });
  expect(await search("limit=1", String(answer["key"]))).toBe(200);
  const ofKey = await find({ person: owner.id, principal: `key:${String(answer["id"])}` });
  expect(eventsOf(ofKey)).toEqual(["log.read"]);
});

test.each([
  ["a day that is none", "since=2026-02-30"],
  ["a time in words", "since=yesterday"],
  ["an end before the beginning", "since=2026-03-02&until=2026-03-01"],
  ["an agent that can be none", "agent=../../etc"],
  ["an event that is none", "event=everything"],
  ["a principal of another form", "principal=key:1"],
  ["a person by name", "person=ada"],
  ["a tag that no agent has", "tag=role=nobody"],
  ["a tag without a value", "tag=role"],
  ["a status that is none", "status=bad"],
  ["an empty text", "text="],
  ["a text without end", `text=${"x".repeat(201)}`],
  ["a filter twice", "agent=web-1&agent=db-1"],
  ["a filter that is none", "color=red"],
  ["no limit", "limit=0"],
  ["a limit beyond", "limit=1001"],
  ["filters of a page of the chain", "afterSeq=0&agent=web-1"],
  ["an order of the chain", "afterSeq=0&order=newest"],
])("%s is refused in words", async (_what, query) => {
  const { answer, code } = await hub.ask("GET", `/audit?${query}`);
  expect(code).toBe("BAD_REQUEST");
  expect((answer.error as unknown as { message: string }).message.length).toBeGreaterThan(20);
});

test("what PostgreSQL would read as more than a value finds nothing", async () => {
  for (const text of ["' or true --", "%", "\\", "\u0000", "\ud800", "${1}"]) {
    const found = await find({ text, event: "agent.enrolled" });
    expect(found).toEqual([]);
  }
});

test("a search and its filters are recorded, with no secret in them", async () => {
  const secret = `AKIA${"Q7".repeat(8)}`;
  await find({ text: secret, agent: "web-1" });
  const { answer } = await hub.ask("GET", "/audit?event=log.read&limit=1&text=web-1");
  const [read] = parseAuditSearchPage(answer).entries;
  expect(read?.record.detail).toMatchObject({ search: { agent: "web-1" }, order: "newest" });
  expect(JSON.stringify(read)).not.toContain(secret);
});

test("who may not read the log gets none of it in any form", async () => {
  const { key } = await hub.addKey();
  const url = `http://127.0.0.1:${hub.ready.http}/api/v1/audit`;
  for (const accept of ["application/json", "application/x-ndjson", "text/event-stream"]) {
    const headers = { authorization: `Bearer ${key}`, accept };
    const response = await fetch(url, { headers });
    expect([response.status, (await response.text()).includes("sha256:")]).toEqual([403, false]);
  }
});

test("attack 34: a cursor is good for its own caller and its own filters", async () => {
  await call();
  const { key } = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  const { answer } = await hub.ask("GET", "/audit?agent=web-1&limit=1");
  const cursor = String(answer["next"]);
  expect(await search(`agent=web-1&cursor=${cursor}`)).toBe(200);
  for (const other of ["", "agent=db-1&", "agent=web-1&status=ok&", "agent=web-1&order=oldest&"]) {
    expect(await search(`${other}cursor=${cursor}`)).toBe("CURSOR_REFUSED");
  }
  expect(await search(`agent=web-1&cursor=${cursor}`, key)).toBe("CURSOR_REFUSED");
  expect(await search(`agent=web-1&cursor=${cursor.slice(0, -2)}xx`)).toBe("CURSOR_REFUSED");
  const { answer: calls } = await hub.ask("GET", "/calls?limit=1");
  expect(await search(`cursor=${String(calls["next"])}`)).toBe("CURSOR_REFUSED");
});

async function openRead(
  accept: string,
  query = "",
  {
    port = hub.ready.http,
    key = hub.operatorKey,
    after,
  }: { port?: number; key?: string; after?: string } = {},
): Promise<IncomingMessage> {
  const [response] = (await once(
    get(`http://127.0.0.1:${port}/api/v1/audit?${query}`, {
      agent: false,
      headers: {
        authorization: `Bearer ${key}`,
        accept,
        ...(after !== undefined && { "last-event-id": after }),
      },
    }),
    "response",
  )) as [IncomingMessage];
  streams.push(response);
  return response;
}

async function exportAll(query = ""): Promise<{ entries: AuditEntry[]; end: AuditExportEnd }> {
  const response = await openRead("application/x-ndjson", query);
  expect(response.headers["content-type"]).toBe("application/x-ndjson");
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
  expect(text.endsWith("\n")).toBe(true);
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => parseAuditExportLine(JSON.parse(line)));
  const entries = lines.filter((line) => "record" in line);
  return { entries, end: lines.at(-1) as AuditExportEnd };
}

test("an export has the whole chain, the oldest first, and says that it is complete", async () => {
  const { entries, end } = await exportAll();
  const { size, hash } = verifyChain(entries, EMPTY_HEAD);
  expect(end).toEqual({
    ...{ complete: true, filters: {}, searched: { from: 1, to: size } },
    ...{ entries: size, head: { size, hash } },
  });
  // Its own reading is in it.
  expect(entries.at(-1)?.record).toMatchObject({ event: "log.read", detail: { export: {} } });
});

test("an export takes the same filters", async () => {
  await call();
  const { entries, end } = await exportAll("agent=web-1&event=call.request");
  expect(entries).toEqual((await find({ agent: "web-1", event: "call.request" })).toReversed());
  expect(end).toMatchObject({ entries: entries.length, filters: { agent: "web-1" } });
  expect((await openRead("application/x-ndjson", "limit=5")).statusCode).toBe(400);
  expect((await openRead("application/x-ndjson", "tag=role=nobody")).statusCode).toBe(400);
});

test("an export of many entries waits for its reader, and ends with its key in the middle", async () => {
  const { sql, ...database } = await hub.openDatabase();
  const log = await openAudit(createAuditStore(sql, "00000000-0000-4000-8000-000000000001"));
  const detail = { filling: "x".repeat(2_000) };
  const fill = () => log.append(buildAuditRecord(new Date(), "log.read", { detail }));
  for (let batch = 0; batch < 20; batch++) await Promise.all(Array.from({ length: 500 }, fill));
  await database.close();
  const { id, key } = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  const response = await openRead("application/x-ndjson", "", { key });
  for (let count = 1; count < 4; count++) {
    expect((await openRead("application/x-ndjson", "", { key })).statusCode).toBe(200);
  }
  expect((await openRead("application/x-ndjson", "", { key })).statusCode).toBe(429);
  await hub.ask("DELETE", `/api-keys/${id}`);
  // Nobody takes anything meanwhile.
  await new Promise((done) => setTimeout(done, 6_000));
  let text = "";
  response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [error] = (await once(response, "error")) as [NodeJS.ErrnoException];
  expect(error.code).toBe("ECONNRESET");
  expect(text).not.toContain('"complete":true');
  // 10000 entries are 25 MB, of which sockets took a few.
  expect(text.length).toBeLessThan(15_000_000);
});

type Told = { id: string; event: string; data: AuditEntry };
function readEvents(response: IncomingMessage): Told[] {
  const told: Told[] = [];
  let rest = "";
  response.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const [, id = "", event = "", data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(part) ?? [];
      if (data !== undefined) told.push({ id, event, data: JSON.parse(data) as AuditEntry });
    }
  });
  response.on("error", () => undefined);
  return told;
}
const follow = async (query = "", of: Parameters<typeof openRead>[2] = {}) => {
  const response = await openRead("text/event-stream", query, of);
  expect([response.statusCode, response.headers["content-type"]]).toEqual([
    200,
    "text/event-stream",
  ]);
  const told = readEvents(response);
  await expect.poll(() => told.length).toBeGreaterThan(0);
  return { response, told, entries: () => told.filter(({ event }) => event === "entry") };
};

test("the live log tells what fits as it is written, also by another hub", async () => {
  const { told, entries } = await follow("agent=db-1", { port: await otherPort() });
  expect(told[0]?.event).toBe("start");
  await hub.ask("POST", "/agents/db-1/tags", { set: ["rack=live"], remove: [] });
  await call();
  await expect.poll(() => entries().length).toBe(1);
  expect(entries()[0]?.data.record).toMatchObject({ event: "agent.tagged", agent: "db-1" });
  const opened = await find({ event: "log.read", text: '"live":{"agent":"db-1"}' });
  expect(opened).toHaveLength(1);
});

test("who comes back gets what was written meanwhile, each entry once", async () => {
  const first = await follow("event=agent.tagged");
  await hub.ask("POST", "/agents/db-1/tags", { set: ["rack=one"], remove: [] });
  await expect.poll(() => first.entries().length).toBe(1);
  const { id = "" } = first.entries()[0] ?? {};
  first.response.destroy();
  for (const rack of ["two", "three"]) {
    await hub.ask("POST", "/agents/db-1/tags", { set: [`rack=${rack}`], remove: [] });
  }
  const back = await follow("event=agent.tagged", { after: id, port: await otherPort() });
  await hub.ask("POST", "/agents/db-1/tags", { set: ["rack=four"], remove: [] });
  await expect.poll(() => back.entries().length).toBe(3);
  const expected = (await find({ event: "agent.tagged" })).slice(0, 3).map(({ seq }) => seq);
  expect(back.entries().map(({ data }) => data.seq)).toEqual(expected.toReversed());
  for (const after of ["x", "-1", "999999999"]) {
    expect((await openRead("text/event-stream", "", { after })).statusCode).toBe(400);
  }
});

test("the live log ends with its key, and with no other", async () => {
  const { id, key } = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  const [own, other] = [await follow("", { key }), await follow()];
  await hub.ask("DELETE", `/api-keys/${id}`);
  await expect
    .poll(() => own.told.at(-1))
    .toMatchObject({
      ...{ event: "end", data: { code: "UNAUTHENTICATED" } },
    });
  await expect.poll(() => own.response.complete).toBe(true);
  const { length } = own.told;
  await call();
  await expect.poll(() => other.entries().at(-1)?.data.record.event).toBe("call.response");
  expect(own.told).toHaveLength(length);
});

test("pages of the chain are as before", async () => {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=1&limit=2");
  expect(Object.keys(answer)).toEqual(["entries", "head"]);
  expect((answer["entries"] as AuditEntry[]).map(({ seq }) => seq)).toEqual([2, 3]);
});
