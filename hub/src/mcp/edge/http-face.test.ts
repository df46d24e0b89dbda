import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

// What HTTP clients of all kinds may expect of /mcp of a hub that runs.
let hub: TestHub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

type Answer = { status: number; headers: Record<string, unknown>; text: string };
type Asked = { method?: string; path?: string; headers?: Record<string, string>; body?: string };

/** A request with exactly these headers. fetch would add its own. */
function send({ method = "POST", path = "/mcp", headers = {}, body }: Asked): Promise<Answer> {
  const url = `http://127.0.0.1:${hub.ready.http}${path}`;
  return new Promise((done, fail) => {
    const asked = request(url, { method, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      const { statusCode: status = 0, headers: got } = response;
      response.on("end", () => done({ status, headers: got, text }));
    });
    asked.on("error", fail).end(body);
  });
}

const BODY = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });
const headers = (more: Record<string, string> = {}): Record<string, string> => ({
  authorization: `Bearer ${hub.operatorKey}`,
  "content-type": "application/json",
  "mcp-protocol-version": "2025-06-18",
  ...more,
});
const list = (more: Record<string, string> = {}, body = BODY) =>
  send({ headers: headers(more), body });

test.each(["/mcp", "/mcp/", "/mcp?x=1", "/mcp/?x=1"])("%s is the address", async (path) => {
  const { status, text } = await send({ path, headers: headers(), body: BODY });
  expect([status, text]).toEqual([200, expect.stringContaining("list_agents")]);
  const unknown = { headers: { "content-type": "application/json" }, body: BODY };
  expect((await send({ path, ...unknown })).status).toBe(401);
});

test.each([
  "application/json",
  "*/*",
  "application/*",
  "text/event-stream, Application/JSON;q=0.5",
  "application/json, text/event-stream",
  "text/html, */*;q=0.1",
  null,
])("Accept: %s gets JSON", async (accept) => {
  const { status, headers: got, text } = await list(accept === null ? {} : { accept });
  expect([status, got["content-type"]]).toEqual([200, "application/json"]);
  expect(JSON.parse(text)).toMatchObject({
    id: 1,
    result: {
      tools: expect.arrayContaining([expect.objectContaining({ name: "list_agents" })]) as unknown,
    },
  });
});

test.each(["text/html", "application/json;q=0", "text/event-stream", "application/jsonp"])(
  "Accept: %s is refused, because the answer is JSON",
  async (accept) => {
    const { status, text } = await list({ accept });
    expect([status, JSON.parse(text)]).toMatchObject([406, { error: { code: -32_000 } }]);
  },
);

test("attack 13: a message of too many levels is refused in words, and is no defect", async () => {
  const deep = `${"[".repeat(120_000)}${"]".repeat(120_000)}`;
  const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"a":${deep}}}}`;
  const { status, text } = await list({}, call);
  const message = "the message: expected at most 256 levels, got more";
  expect([status, JSON.parse(text)]).toMatchObject([400, { error: { code: -32_700, message } }]);
});

test.each([
  ["POST", "text/plain", 415],
  ["DELETE", "application/json", 405],
])("%s with %s is refused as %i", async (method, type, status) => {
  const more = headers({ "content-type": type });
  const answer = await send({ method, headers: more, ...(method === "POST" && { body: BODY }) });
  expect(answer.status).toBe(status);
  if (status === 405) expect(answer.headers["allow"]).toBe("GET, POST, OPTIONS");
});

test("a GET is a stream only for those who name it", async () => {
  for (const accept of ["*/*", "application/json"]) {
    expect((await send({ method: "GET", headers: headers({ accept }) })).status).toBe(405);
  }
});

const ORIGIN = "http://localhost:6274";

test("a page of an allowed origin may ask and read, also a refusal", async () => {
  const asked = {
    origin: ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,mcp-protocol-version",
  };
  for (const path of ["/mcp", "/mcp/"]) {
    const { status, headers: got } = await send({ method: "OPTIONS", path, headers: asked });
    expect([status, got["access-control-allow-origin"]]).toEqual([204, ORIGIN]);
    for (const name of asked["access-control-request-headers"].split(",")) {
      expect(got["access-control-allow-headers"]).toContain(name);
    }
    expect(got["access-control-allow-methods"]).toContain("POST");
    expect(got["access-control-allow-credentials"]).toBeUndefined();
  }
  const answers = [
    await list({ origin: ORIGIN }),
    await list({ origin: ORIGIN, authorization: "Bearer sonde_ak_unknown" }),
    await list({ origin: ORIGIN }, "{"),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 400]);
  for (const { headers: got } of answers) {
    expect([got["access-control-allow-origin"], got["vary"]]).toEqual([ORIGIN, "origin"]);
    expect(got["access-control-expose-headers"]).toContain("www-authenticate");
  }
});

test.each(["https://evil.example", "http://localhost.evil.example", "null"])(
  "attack 32: a page of %s may neither ask nor read",
  async (origin) => {
    for (const method of ["OPTIONS", "POST"]) {
      const { status, headers: got } = await send({ method, headers: headers({ origin }) });
      expect(status).toBe(403);
      expect(got["access-control-allow-origin"]).not.toBe("*");
    }
  },
);

test("arguments that are null are none", async () => {
  const call = (args: string) =>
    list(
      {},
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_agents"${args}}}`,
    );
  for (const args of ["", ',"arguments":null', ',"arguments":{}']) {
    expect(JSON.parse((await call(args)).text)).toMatchObject({ result: { isError: false } });
  }
  const batch = `[${BODY},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"list_agents","arguments":null}}]`;
  expect(JSON.parse((await list({}, batch)).text)).toMatchObject([{ id: 1 }, { id: 2 }]);
  expect(JSON.parse((await call(',"arguments":[]')).text)).toMatchObject({
    error: { code: -32_602 },
  });
});

test.each(["null", "7", '""', "[]", '{"params":null}', '{"params":{"arguments":null}}'])(
  "%s is no message, and does no harm",
  async (body) => {
    const { status, text } = await list({}, body);
    expect([status, JSON.parse(text)]).toMatchObject([400, { error: {} }]);
  },
);

test("attack 8: a message with a member twice is refused, wherever it is", async () => {
  const bodies = [
    BODY.replace("{", '{"id":2,'),
    BODY.replace('"params":{}', '"params":{"cursor":"a","cursor":"b"}'),
    BODY.replace('"params":{}', '"params":{"_meta":{"a":[{"b":1,"\\u0062":2}]}}'),
    `[${BODY},${BODY.replace("{", '{"jsonrpc":"2.0",')}]`,
  ];
  for (const body of bodies) {
    const { status, text } = await list({}, body);
    expect([status, JSON.parse(text)], body).toMatchObject([400, { error: { code: -32_700 } }]);
    expect(text).toContain("twice");
  }
});

test("a body above 256 KiB is refused, whether it says its size or not", async () => {
  const body = JSON.stringify({ x: "x".repeat(300 * 1024) });
  expect((await list({}, body)).status).toBe(413);
  expect((await list({ "transfer-encoding": "chunked" }, body)).status).toBe(413);
});
