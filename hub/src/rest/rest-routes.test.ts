import { Validator } from "@seriousme/openapi-schema-validator";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import { encodeBody, type PackReport } from "@sonde/schemas/wire";
import { lintOpenApi, type OpenApi } from "@sonde/service/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// What REST tells of tools and calls, and its document, with an agent that the test plays.
const TOOL = "acme__hello_greet";
let hub: TestHub;
let agent: AgentSession;
/** What the agent says of its pack. */
let state: PackReport["state"] = "active";

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
  agent.socket.send(
    agent.channel.seal({ type: "hello", body: encodeBody(buildHello({ packs: [report()] })) }),
  );
  await untilTool();
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

const report = (): PackReport => ({
  ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state },
  ...{ signer: null, probes: ["greet"], approved: null, reason: null },
});

async function say(next: PackReport["state"]): Promise<void> {
  state = next;
  const { auditHead, registryHead } = buildHello();
  const body = encodeBody({ packs: [report()], auditHead, registryHead });
  agent.socket.send(agent.channel.seal({ type: "pack-report", body }));
  await vi.waitFor(async () => {
    const { answer } = await hub.ask("GET", "/agents/web-1");
    expect(answer["packs"]).toMatchObject([{ state: next }]);
  }, 15_000);
}

async function untilTool(): Promise<void> {
  await vi.waitFor(async () => expect(await toolNames()).toContain(TOOL), 15_000);
}

const toolNames = async (key?: string): Promise<string[]> => {
  const { answer } = await hub.ask("GET", "/tools", undefined, key);
  return (answer["tools"] as { name: string }[]).map(({ name }) => name);
};
const readDocument = async (): Promise<OpenApi> => {
  const url = `http://127.0.0.1:${hub.ready.http}/api/v1/openapi.json`;
  return (await (await fetch(url)).json()) as OpenApi;
};

test("the API has a valid OpenAPI document: each route with its words, its right and its refusals", async () => {
  const document = await readDocument();
  const copy = structuredClone(document) as unknown as Record<string, unknown>;
  expect(await new Validator().validate(copy)).toMatchObject({ valid: true });
  expect(await lintOpenApi(document)).toEqual([]);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  );
  expect(operations.length).toBeGreaterThan(25);
  for (const { path, method, summary, responses, ...operation } of operations) {
    const of = `${method} ${path}`;
    expect(path, of).toMatch(/^\/api\/v1\//);
    expect(summary, of).toMatch(/^[A-Z].{5,}[^.]$/);
    if (operation["x-sonde-right"] === "anybody") continue;
    expect(operation["x-sonde-right"], of).toMatchObject({
      roles: expect.arrayContaining(["owner"]) as string[],
    });
    expect(Object.keys(responses), of).toEqual(expect.arrayContaining(["401", "403", "500"]));
    if (method !== "get") {
      expect(JSON.stringify(responses[422] ?? null), of).toContain("IDEMPOTENCY_CONFLICT");
      expect(JSON.stringify(operation), of).toContain("idempotency-key");
    }
  }
});

test("a list of agents and one of keys come in pages, which end", async () => {
  const made = [await hub.addKey(), await hub.addKey()].map(({ id }) => id);
  const ids: string[] = [];
  let cursor = "";
  do {
    const { answer, code } = await hub.ask("GET", `/api-keys?limit=1${cursor}`);
    expect(code).toBe(200);
    ids.push(...(answer["keys"] as { id: string }[]).map(({ id }) => id));
    cursor = nextOf(answer);
    // One more is made while the list is read: it comes at its end, once.
    if (ids.length === 1) made.push((await hub.addKey()).id);
  } while (cursor !== "");
  expect(ids).toEqual(expect.arrayContaining(made));
  expect(new Set(ids).size).toBe(ids.length);
  const { answer } = await hub.ask("GET", "/agents?limit=1");
  expect(answer).toMatchObject({ agents: [{ name: "web-1" }] });
});

// Attack 34.
test("attack 34: another key's cursor is refused", async () => {
  const operator = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  const path = (cursor: unknown) => `/tools?limit=1&cursor=${String(cursor)}`;
  const { answer } = await hub.ask("GET", "/tools?limit=1");
  expect(typeof answer["next"]).toBe("string");
  expect((await hub.ask("GET", path(answer["next"]))).code).toBe(200);
  const theirs = await hub.ask("GET", path(answer["next"]), undefined, operator.key);
  expect(theirs.code).toBe("CURSOR_REFUSED");
});

/** The part of a query that asks for the next page; empty at the end. */
function nextOf({ next }: Record<string, unknown>): string {
  return typeof next === "string" ? `&cursor=${next}` : "";
}

test("limits beyond the bounds are refused", async () => {
  for (const limit of ["0", "1001", "-1", "1e3", "x"]) {
    expect((await hub.ask("GET", `/agents?limit=${limit}`)).code).toBe("BAD_REQUEST");
  }
});

test("a tool is listed with its schema and where it may be called", async () => {
  const { answer } = await hub.ask("GET", "/tools");
  const tool = (answer["tools"] as { name: string }[]).find(({ name }) => name === TOOL);
  expect(tool).toMatchObject({
    ...{ probe: "acme/hello.greet", capability: "observe", agents: ["web-1"] },
    inputSchema: { type: "object" },
  });
});

test("a key for another agent is not shown the tool, nor answered by it", async () => {
  const { key } = await hub.addKey({ role: "client", agents: ["elsewhere"], probes: "*" });
  expect(await toolNames(key)).not.toContain(TOOL);
  const { answer, code } = await hub.ask("POST", `/tools/${TOOL}/call`, { agent: "web-1" }, key);
  expect(code).toBe(200);
  expect(answer).toMatchObject({ results: [{ failure: { code: "FORBIDDEN" } }] });
});

test("a tool is called, and the call is found with its hops", async () => {
  const { answer, code } = await hub.ask("POST", `/tools/${TOOL}/call`, { agent: "web-1" });
  expect(code).toBe(200);
  expect(answer).toMatchObject({
    results: [{ agent: "web-1", status: "ok", data: {} }],
  });
  const [callId] = answer["callIds"] as string[];
  const { answer: list } = await hub.ask("GET", "/calls?agent=web-1&limit=1");
  expect(list).toMatchObject({
    calls: [
      {
        ...{ callId, agent: "web-1", probe: "acme/hello.greet", status: "ok", code: null },
        principal: expect.stringMatching(/^key:/) as string,
        durationMs: expect.any(Number) as number,
      },
    ],
  });
  const { answer: whole } = await hub.ask("GET", `/calls/${callId}`);
  expect((whole["hops"] as object[]).length).toBeGreaterThan(1);
  // Of an agent without calls there is none, and a refusal is one of the calls.
  expect((await hub.ask("GET", "/calls?agent=elsewhere")).answer).toEqual({ calls: [] });
  await hub.ask("POST", "/tools/none/call", { agent: "web-1" });
  expect((await hub.ask("GET", "/calls?limit=1")).answer).toMatchObject({
    calls: [{ status: "denied", code: "PROBE_UNKNOWN" }],
    next: expect.any(String) as string,
  });
});

test("calls come in pages, the newest first, while others are made", async () => {
  for (let count = 0; count < 4; count++) {
    await hub.ask("POST", `/tools/${TOOL}/call`, { agent: "web-1" });
  }
  const seen: string[] = [];
  let cursor = "";
  do {
    const { answer } = await hub.ask("GET", `/calls?agent=web-1&limit=2${cursor}`);
    const calls = answer["calls"] as { callId: string; at: string }[];
    seen.push(...calls.map(({ callId, at }) => `${at} ${callId}`));
    await hub.ask("POST", `/tools/${TOOL}/call`, { agent: "web-1" });
    cursor = nextOf(answer);
  } while (cursor !== "");
  expect(seen.length).toBeGreaterThanOrEqual(4);
  expect(new Set(seen).size).toBe(seen.length);
  const times = seen.map((line) => line.split(" ")[0]);
  expect(times).toEqual(times.toSorted().toReversed());
});

test("explain says what a call would read, and asks no agent", async () => {
  const body = { agent: "web-1", explain: true };
  const { answer } = await hub.ask("POST", `/tools/${TOOL}/call`, body);
  expect(answer).toMatchObject({ results: [{ data: { pack: "acme/hello 1.0.0" } }] });
  const own = await hub.ask("POST", "/tools/health_check/call", body);
  expect(own.code).toBe("PARAMS_INVALID");
});

test("a tool of the hub itself is called by its name", async () => {
  const { answer, code } = await hub.ask("POST", "/tools/agent_overview/call", { agent: "web-1" });
  expect(code).toBe(200);
  expect(answer).toMatchObject({
    ...{ results: [{ agent: "web-1", status: "ok" }], callIds: [] },
    text: expect.stringContaining("acme/hello") as string,
  });
});

test("a roll-out goes on once an agent has the version, and stops where one does not take it", async () => {
  const step = async (version = "1.0.0", on: unknown = "*") =>
    await hub.ask("POST", "/roll-outs", { pack: "acme/hello", version, on, atOnce: 1 });
  const settled = { waiting: [], stopped: [], left: [] };
  expect((await step()).answer).toMatchObject({ done: ["web-1"], ...settled });
  // A range is made one version.
  await hub.ask("DELETE", "/agents/web-1/packs/acme/hello");
  expect((await step("^1")).answer).toMatchObject({ version: "1.0.0", done: ["web-1"] });
  await say("fetching");
  expect((await step()).answer).toMatchObject({ done: [], waiting: ["web-1"], stopped: [] });
  await say("failed");
  expect((await step()).answer).toMatchObject({
    stopped: [{ agent: "web-1", state: "failed" }],
    ...{ done: [], waiting: [] },
  });
  expect((await step("1.0.0", ["role=none"])).code).toBe("AGENT_UNKNOWN");
  await say("active");
});
