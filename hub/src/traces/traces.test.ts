import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import { buildParser } from "@sonde/schemas/parse";
import { encodeBody, type PackReport, type ResultBody } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// A hub that is configured with a collector, which takes OTLP over HTTP and nothing else.
const closed = { additionalProperties: false } as const;
const Attribute = Type.Object(
  {
    key: Type.String(),
    value: Type.Union([
      Type.Object({ stringValue: Type.String() }, closed),
      Type.Object({ intValue: Type.String({ pattern: "^-?[0-9]+$" }) }, closed),
    ]),
  },
  closed,
);
const TraceId = Type.String({ pattern: "^[0-9a-f]{32}$" });
const SpanId = Type.String({ pattern: "^[0-9a-f]{16}$" });
const Nanos = Type.String({ pattern: "^[0-9]{19}$" });
const Span = Type.Object(
  {
    traceId: TraceId,
    spanId: SpanId,
    parentSpanId: Type.Optional(SpanId),
    name: Type.String({ minLength: 1 }),
    kind: Type.Integer({ minimum: 1, maximum: 5 }),
    startTimeUnixNano: Nanos,
    endTimeUnixNano: Nanos,
    attributes: Type.Array(Attribute),
    links: Type.Optional(Type.Array(Type.Object({ traceId: TraceId, spanId: SpanId }, closed))),
    status: Type.Object({ code: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 })) }, closed),
  },
  closed,
);
type Span = Static<typeof Span>;
/** ExportTraceServiceRequest, as far as the hub uses it. */
const parseExport = buildParser(
  Type.Object(
    {
      resourceSpans: Type.Array(
        Type.Object(
          {
            resource: Type.Object({ attributes: Type.Array(Attribute) }, closed),
            scopeSpans: Type.Array(
              Type.Object(
                {
                  scope: Type.Object({ name: Type.String(), version: Type.String() }, closed),
                  spans: Type.Array(Span),
                },
                closed,
              ),
            ),
          },
          closed,
        ),
      ),
    },
    closed,
  ),
  "export",
  "BAD_REQUEST",
);

const TIMINGS = { checks: 1, reads: 2, scrub: 3, guest: 4, audit: 5, total: 15 };
const STAGES = [
  "agent: check",
  "runner: read",
  "agent: scrub",
  "pack host: compute",
  "agent: audit commit",
];
const FOREIGN = { traceId: "a".repeat(32), spanId: "b".repeat(16) };
const TRACEPARENT = `00-${FOREIGN.traceId}-${FOREIGN.spanId}-01`;

let collector: Server;
let hub: TestHub;
let agent: AgentSession;
let answer: Partial<ResultBody> = {};
let spans: Span[] = [];
let bodies = "";
let authorization: string | undefined;
/** What the collector does with an export. */
let take: (request: IncomingMessage) => number = () => 200;

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text: string) => (body += text));
    request.on("end", () => {
      const status = take(request);
      if (status === 200) receive(request, body);
      response.writeHead(status, { "content-type": "application/json" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  const { port } = collector.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}/v1/traces`;
  hub = await startHub(undefined, {}, { config: { traces: { endpoint } } });
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  agent = await hub.connect();
  agent.socket.on("message", (frame: Buffer) => {
    const { header } = agent.channel.open(frame);
    if (header.type !== "call" || header.callId === null) return;
    const body = encodeBody(buildResult(header.callId, answer));
    agent.socket.send(agent.channel.seal({ type: "result", callId: header.callId, body }));
  });
  const pack: PackReport = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ signer: null, probes: ["greet"], approved: null, reason: null },
  };
  const body = encodeBody(buildHello({ packs: [pack] }));
  agent.socket.send(agent.channel.seal({ type: "hello", body }));
  await vi.waitFor(async () => {
    const { answer: said } = await hub.ask("GET", "/agents/web-1");
    expect(said["packs"]).toMatchObject([{ state: "active" }]);
  }, 30_000);
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
  collector.close();
});
beforeEach(() => {
  [answer, spans, bodies, take] = [{}, [], "", () => 200];
});

function receive(request: IncomingMessage, body: string): void {
  expect([request.method, request.url]).toEqual(["POST", "/v1/traces"]);
  expect(request.headers["content-type"]).toBe("application/json");
  ({ authorization } = request.headers);
  bodies += body;
  for (const { resource, scopeSpans } of parseExport(JSON.parse(body)).resourceSpans) {
    const named = resource.attributes.find(({ key }) => key === "service.name");
    expect(named?.value).toEqual({ stringValue: "sonde-hub" });
    for (const scope of scopeSpans) spans.push(...scope.spans);
  }
}

const CALL = "/tools/acme__hello_greet/call";
const call = (headers: Record<string, string> = {}, body: object = { agent: "web-1" }) =>
  hub.ask("POST", CALL, body, undefined, headers);

/** Calls the probe as an MCP client, and returns the call's id. */
async function callByMcp(headers: Record<string, string> = {}): Promise<void> {
  const params = { name: "acme__hello_greet", arguments: { agent: "web-1" } };
  const response = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${hub.operatorKey}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
  expect(await response.text()).toContain('"result"');
}

/** Waits for the spans of a request and of its call. */
async function untilExported(root: string, name = "call"): Promise<{ root: Span; call: Span }> {
  return await vi.waitFor(() => {
    const found = spans.find((span) => span.name === root) ?? expect.fail("no request yet");
    const made =
      spans.find((span) => span.name === name && span.parentSpanId === found.spanId) ??
      expect.fail("no call yet");
    return { root: found, call: made };
  }, 30_000);
}

const below = (parent: Span) =>
  spans
    .filter((span) => span.traceId === parent.traceId && span.parentSpanId === parent.spanId)
    .toSorted((one, other) => (one.startTimeUnixNano < other.startTimeUnixNano ? -1 : 1));
const namesBelow = (parent: Span) => below(parent).map(({ name }) => name);
const valueOf = (span: Span, key: string) =>
  span.attributes.find((attribute) => attribute.key === key)?.value;

test.each([
  ["POST /mcp", callByMcp],
  ["POST /api/v1/tools/:tool/call", call],
])("%s is one tree: from the request to the reads on the host", async (root, ask) => {
  answer = { timings: TIMINGS };
  await ask();
  const walk = await untilExported(root);
  expect(walk.root).not.toHaveProperty("parentSpanId");
  expect(walk.root.kind).toBe(2);
  expect(namesBelow(walk.call)).toEqual([
    "hub: authorize and check",
    "hub: audit commit",
    "hub: agent round trip",
  ]);
  const trip = below(walk.call).at(-1) ?? expect.fail("no round trip");
  const [onHost = expect.fail("no agent")] = below(trip);
  expect(onHost.name).toBe("agent");
  expect(new Set(namesBelow(onHost))).toEqual(new Set(STAGES));
  expect(valueOf(walk.call, "sonde.tool")).toEqual({ stringValue: "acme/hello.greet" });
  expect(valueOf(walk.call, "sonde.agent")).toEqual({ stringValue: "web-1" });
  expect(valueOf(walk.call, "sonde.outcome")).toEqual({ stringValue: "ok" });
  // Each step is within the one above it.
  for (const parent of [walk.call, trip, onHost]) {
    for (const child of below(parent)) {
      expect(BigInt(child.startTimeUnixNano)).toBeGreaterThanOrEqual(
        BigInt(parent.startTimeUnixNano),
      );
      expect(BigInt(child.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(parent.endTimeUnixNano));
    }
  }
});

test("attack 14: no parameter, result, read, message or key is in a trace", async () => {
  const secret = "hunter2-trace";
  answer = {
    status: "failure",
    failure: { code: "READ_FAILED", message: `${secret}-message` },
    data: { note: `${secret}-data` },
    reads: [{ name: "load", what: `${secret}-read`, bytes: 1, ms: 1 }],
  };
  await call();
  const failed = await untilExported("POST /api/v1/tools/:tool/call");
  expect(valueOf(failed.call, "sonde.outcome")).toEqual({ stringValue: "READ_FAILED" });
  expect(failed.call.status).toEqual({ code: 2 });
  spans = [];
  await call({}, { agent: "web-1", arguments: { note: `${secret}-param` } });
  await untilExported("POST /api/v1/tools/:tool/call");
  spans = [];
  // What a client writes in place of names is no name.
  await hub.ask("POST", `/tools/${secret}-tool/call`, { agent: `${secret}-agent` });
  await untilExported("POST /api/v1/tools/:tool/call");
  await hub.ask("GET", `/agents?limit=1&cursor=${secret}-query`);
  await vi.waitFor(() => expect(bodies).toContain("GET /api/v1/agents"), 30_000);
  expect(bodies).not.toContain(secret);
  expect(bodies).not.toContain(hub.operatorKey);
  expect(bodies).not.toContain("sonde_ak_");
});

test("a client's trace is a link, and does not choose the id of the hub's", async () => {
  await callByMcp({ traceparent: TRACEPARENT });
  const { root } = await untilExported("POST /mcp");
  expect(root.links).toEqual([FOREIGN]);
  expect(root.traceId).not.toBe(FOREIGN.traceId);
  expect(root).not.toHaveProperty("parentSpanId");
  spans = [];
  await callByMcp({ traceparent: TRACEPARENT.replace("00-", "ff-") });
  expect((await untilExported("POST /mcp")).root).not.toHaveProperty("links");
});

test("attack 40: whoever is not let in makes no span", async () => {
  const url = `http://127.0.0.1:${hub.ready.http}/api/v1/registry`;
  expect((await fetch(url, { headers: { authorization: "Bearer x" } })).status).toBe(401);
  // Spans of one process come in their order.
  await call();
  await untilExported("POST /api/v1/tools/:tool/call");
  expect(spans.map(({ name }) => name)).not.toContain("GET /api/v1/registry");
});

async function counted(outcome: "sent" | "dropped"): Promise<number> {
  const headers = { authorization: `Bearer ${hub.operatorKey}` };
  const url = `http://127.0.0.1:${hub.ready.http}/metrics`;
  const text = await (await fetch(url, { headers })).text();
  const found = new RegExp(`^sonde_spans_total\\{outcome="${outcome}"\\} ([0-9]+)$`, "m").exec(
    text,
  );
  return Number(found?.[1]);
}

test("a collector that refuses loses its spans, and calls go on", async () => {
  const before = await counted("dropped");
  take = () => 503;
  expect((await call()).code).toBe(200);
  await expect.poll(() => counted("dropped"), { timeout: 30_000 }).toBeGreaterThan(before);
  take = () => 200;
  expect((await call()).code).toBe(200);
  await untilExported("POST /api/v1/tools/:tool/call");
  expect(await counted("sent")).toBeGreaterThan(0);
  expect(authorization).toBeUndefined();
});
