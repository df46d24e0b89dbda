import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

// What a client that announces pictures (MCP Apps) gets of /mcp of a hub that runs, and that another
// client gets nothing of it.

const UI = "io.modelcontextprotocol/ui";
const ANNOUNCED = { extensions: { [UI]: { mimeTypes: ["text/html;profile=mcp-app"] } } };
/** A hub without the documents of one picture. */
const VIEWS = { disk: "<!doctype html>disk", findings: "<!doctype html>findings" };
let hub: TestHub;
let withoutViews: TestHub;
beforeAll(async () => {
  [hub, withoutViews] = await Promise.all([
    startHub(undefined, {}, { views: VIEWS }),
    startHub(undefined),
  ]);
});
afterAll(async () => {
  await hub?.close();
  await withoutViews?.close();
});

type Tool = { name: string; _meta?: { ui?: { resourceUri?: string; visibility?: string[] } } };
type Result = {
  capabilities?: Record<string, unknown>;
  tools?: Tool[];
  contents?: Record<string, unknown>[];
};
type Answer = { session: string | null; result: Result; error?: { code: number } };

async function send(message: object, headers: Record<string, string>, at = hub): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${at.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${at.operatorKey}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }),
  });
  const { result = {}, error } = (await response.json()) as Partial<Answer>;
  const session = response.headers.get("mcp-session-id");
  return { session, result, ...(error !== undefined && { error }) };
}

/** The handshake of the 2025 revisions. */
const shake = (capabilities: object, at = hub) => {
  const clientInfo = { name: "older", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities, clientInfo };
  return send({ method: "initialize", params }, {}, at);
};

/** A request of such a client, with the session that it was given. */
const askOlder = (method: string, session: string | null, params: object = {}, at = hub) =>
  send(
    { method, params },
    {
      "mcp-protocol-version": "2025-11-25",
      ...(session !== null && { "mcp-session-id": session }),
    },
    at,
  );

/** A request of a client of the stateless revision. */
const askCurrent = (method: string, capabilities: object, params: object = {}, at = hub) => {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": { name: "current", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const uri = (params as { uri?: string }).uri;
  return send(
    { method, params: { ...params, _meta: meta } },
    {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(uri !== undefined && { "mcp-name": uri }),
    },
    at,
  );
};

const METHODS = ["tools/list", "resources/list", "prompts/list"];
const without = (tools: Tool[] = []) => tools.map(({ _meta, ...rest }) => rest);
const viewsOf = (tools: Tool[] = []) =>
  tools.flatMap(({ name, _meta: meta }) =>
    meta?.ui?.resourceUri === undefined ? [] : [[name, meta.ui.resourceUri]],
  );

/** list_agents has none, because this hub lacks the picture of servers. */
const OWN_VIEWS = [
  ["diagnose", "ui://sonde/findings"],
  ["health_check", "ui://sonde/findings"],
];

test("a client of the 2025 revisions that announces pictures is told of them in its session", async () => {
  const { session, result } = await shake(ANNOUNCED);
  expect(result.capabilities).toMatchObject({ extensions: { [UI]: {} } });
  expect(session).toMatch(/^views-[0-9a-f-]{36}$/);
  expect((await shake(ANNOUNCED)).session).not.toBe(session);
  const { tools } = (await askOlder("tools/list", session)).result;
  expect(viewsOf(tools)).toEqual(OWN_VIEWS);
  expect(tools?.map(({ _meta: meta }) => meta?.ui?.visibility)).toEqual(
    tools?.map(() => ["model"]),
  );
});

test("a client of the stateless revision says so in each request", async () => {
  const { result } = await askCurrent("server/discover", ANNOUNCED);
  expect(result.capabilities).toMatchObject({ extensions: { [UI]: {} } });
  const { session, result: listed } = await askCurrent("tools/list", ANNOUNCED);
  expect([session, viewsOf(listed.tools)]).toEqual([null, OWN_VIEWS]);
});

test("attack 79: a client that announces no pictures sees no trace of them", async () => {
  for (const capabilities of [{}, { extensions: { [UI]: { mimeTypes: ["text/plain"] } } }]) {
    const { session, result } = await shake(capabilities);
    expect(session).toBeNull();
    expect(result.capabilities).toEqual({
      ...{ tools: { listChanged: true }, prompts: {}, resources: {} },
    });
    const discovered = (await askCurrent("server/discover", capabilities)).result;
    expect(discovered.capabilities).not.toHaveProperty("extensions");
    for (const method of METHODS) {
      const answers = [
        JSON.stringify((await askOlder(method, session)).result),
        JSON.stringify((await askCurrent(method, capabilities)).result),
      ];
      expect(answers.filter((answer) => /ui:\/\/|"visibility"|mcp-app/.test(answer))).toEqual([]);
    }
  }
});

test("a list differs by nothing but the word about pictures, and by few bytes of it", async () => {
  const { session } = await shake(ANNOUNCED);
  const plain = (await askOlder("tools/list", null)).result.tools;
  const told = (await askOlder("tools/list", session)).result.tools;
  expect(without(told)).toEqual(plain);
  const sizes = (told ?? []).map(
    (tool, place) =>
      Buffer.byteLength(JSON.stringify(tool)) - Buffer.byteLength(JSON.stringify(plain?.[place])),
  );
  expect(sizes.length).toBeGreaterThan(5);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(90);
  for (const method of METHODS.slice(1)) {
    expect((await askOlder(method, session)).result).toEqual((await askOlder(method, null)).result);
  }
});

test("attack 79: a picture is read as a document that may reach nothing, and is recorded", async () => {
  const uri = "ui://sonde/disk";
  const answers = [
    await askOlder("resources/read", (await shake(ANNOUNCED)).session, { uri }),
    await askCurrent("resources/read", ANNOUNCED, { uri }),
  ];
  const csp = { connectDomains: [], resourceDomains: [], frameDomains: [], baseUriDomains: [] };
  for (const { result } of answers) {
    expect(result.contents).toEqual([
      {
        ...{ uri, mimeType: "text/html;profile=mcp-app", text: VIEWS.disk },
        _meta: { ui: { csp, prefersBorder: true } },
      },
    ]);
  }
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as { record: { event: string; detail?: object } }[];
  const read = entries.filter(({ record }) => JSON.stringify(record.detail ?? {}).includes(uri));
  expect(read.map(({ record }) => record.event)).toEqual(["log.read", "log.read"]);
});

test("a picture that this hub lacks is not found", async () => {
  const { error } = await askCurrent("resources/read", ANNOUNCED, { uri: "ui://sonde/fleet" });
  expect(error?.code).toBe(-32_602);
});

test("a hub without pictures, as in a source tree, tells nobody of them", async () => {
  const { session, result } = await shake(ANNOUNCED, withoutViews);
  expect(result.capabilities).not.toHaveProperty("extensions");
  const { tools } = (await askOlder("tools/list", session, {}, withoutViews)).result;
  expect([viewsOf(tools), without(tools)]).toEqual([[], tools]);
});
