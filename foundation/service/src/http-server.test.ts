import { once } from "node:events";
import { connect } from "node:net";
import { ERROR_TABLE, SondeError } from "@sonde/schemas/errors";
import { Type } from "typebox";
import { afterEach, expect, test } from "vitest";
import { createHttpServer, type HttpServerOptions } from "./http-server.ts";
import type { Problem } from "./problem.ts";
import type { HttpServer } from "./server.ts";
import { serve } from "./testing/serve.ts";

let app: HttpServer;
let reported: [code: string, requestId: string | undefined, cause: unknown][] = [];
afterEach(() => app.close());

const config = { right: "anybody" } as const;
const body = Type.Object({ size: Type.Integer() }, { additionalProperties: false });

async function start(options: Partial<HttpServerOptions> = {}): Promise<string> {
  reported = [];
  app = createHttpServer({
    report: (error, requestId) => {
      reported.push([error instanceof SondeError ? error.code : "", requestId, error.cause]);
    },
    ...options,
  });
  app.post("/echo", { config, schema: { body } }, (request) => request.body);
  app.post("/any", { config }, () => ({ reached: true }));
  app.delete("/gone", { config }, () => ({ reached: true }));
  app.get("/ip", { config }, (request) => ({ ip: request.ip }));
  app.get("/defect", { config }, () => {
    throw new Error("a secret detail");
  });
  app.get("/busy", { config }, () => {
    throw new SondeError("REGISTRY_BUSY", "expected fewer");
  });
  app.get("/raw", { config }, (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(200, { "content-type": "text/event-stream" }).end("data: 1\n\n");
  });
  return await serve(app);
}

const post = (type: string, text: NonNullable<RequestInit["body"]>): RequestInit => ({
  method: "POST",
  headers: { "content-type": type },
  body: text,
});
/** The code of a refusal, which must be a problem (RFC 9457) with what release 0.1.0 reads. */
async function codeOf(response: Response): Promise<string> {
  expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  const problem = (await response.json()) as Problem;
  const { code, detail, retryable, hint } = problem;
  expect(problem).toEqual({
    ...{ type: `urn:sonde:error:${code}`, title: problem.title, status: response.status, detail },
    instance: `urn:uuid:${response.headers.get("sonde-request-id")}`,
    ...{ code, retryable, hint, error: { code, message: detail, retryable, hint } },
  });
  return code;
}

test("a refusal over HTTP is a problem of RFC 9457, which names its row of the error table", async () => {
  const response = await fetch(`${await start()}/nowhere`);
  const { error, ...problem } = (await response.json()) as Problem;
  expect(response.headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
  expect(problem).toEqual({
    type: "urn:sonde:error:NOT_FOUND",
    title: "Not found",
    status: 404,
    detail: "expected a route, got GET /nowhere",
    instance: `urn:uuid:${response.headers.get("sonde-request-id")}`,
    code: "NOT_FOUND",
    retryable: false,
    hint: ERROR_TABLE.NOT_FOUND.hint,
  });
  // What release 0.1.0 reads of a refusal.
  expect(error).toMatchObject({ code: "NOT_FOUND", message: problem.detail });
});

test.each<[string, string, RequestInit | undefined, number]>([
  ["an answer", "/ip", undefined, 200],
  ["one that its handler writes by itself", "/raw", undefined, 200],
  ["a refusal", "/echo", post("application/json", "{}"), 400],
  ["a defect", "/defect", undefined, 500],
  ["a route that is not there", "/nowhere", undefined, 404],
  ["a path that cannot be read", "/%zz", undefined, 400],
])("%s has its request's id, and its type cannot be sniffed", async (_what, path, init, status) => {
  const { headers, status: got } = await fetch(`${await start()}${path}`, init);
  expect(got).toBe(status);
  expect(headers.get("sonde-request-id")).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  if (status >= 400) expect(headers.get("cache-control")).toBe("no-store");
});

test.each([
  ["a number as text", post("application/json", '{"size":"1"}'), 400, "BAD_REQUEST"],
  ["a member too many", post("application/json", '{"size":1,"more":1}'), 400, "BAD_REQUEST"],
  ["a member too few", post("application/json", "{}"), 400, "BAD_REQUEST"],
  ["no JSON", post("application/json", "{"), 400, "BAD_REQUEST"],
  ["a member twice", post("application/json", '{"size":1,"size":1}'), 400, "BAD_REQUEST"],
  ["a prototype", post("application/json", '{"size":1,"__proto__":{}}'), 400, "BAD_REQUEST"],
  ["plain text", post("text/plain", '{"size":1}'), 400, "BAD_REQUEST"],
  ["a long body", post("application/json", " ".repeat(20_000)), 413, "BODY_TOO_LARGE"],
])("a body with %s is refused", async (_what, init, status, code) => {
  const response = await fetch(`${await start()}/echo`, init);
  expect([response.status, await codeOf(response)]).toEqual([status, code]);
  expect(reported).toEqual([]);
});

test.each([
  ["not JSON", post("text/plain", "hello")],
  ["not UTF-8", post("application/json", Buffer.from([0x22, 0xff, 0x22]))],
  ["read differently by different parsers", post("application/json", '{"a":1,"\\u0061":2}')],
])("a body that is %s is not read, even by a route without a body schema", async (_what, init) => {
  const response = await fetch(`${await start()}/any`, init);
  expect([response.status, await codeOf(response)]).toEqual([400, "BAD_REQUEST"]);
});

test("a valid body reaches the handler unchanged, up to the size limit", async () => {
  const url = await start({ maxBodyBytes: 40_000 });
  const text = `{"size":1}${" ".repeat(20_000)}`;
  const response = await fetch(`${url}/echo`, post("application/json", text));
  expect([response.status, await response.json()]).toEqual([200, { size: 1 }]);
});

test("an internal error tells the client nothing; the log has it under the answer's id", async () => {
  const response = await fetch(`${await start()}/defect`);
  const text = await response.clone().text();
  expect(await codeOf(response)).toBe("INTERNAL");
  expect(text).not.toContain("secret");
  const id = response.headers.get("sonde-request-id");
  expect(reported).toEqual([
    ["INTERNAL", id, expect.objectContaining({ message: "a secret detail" })],
  ]);
});

test("the log has every failure of the service, and no fault of a client", async () => {
  const url = await start();
  expect(await codeOf(await fetch(`${url}/busy`))).toBe("REGISTRY_BUSY");
  expect(await codeOf(await fetch(`${url}/nowhere`))).toBe("NOT_FOUND");
  expect(reported.map(([code]) => code)).toEqual(["REGISTRY_BUSY"]);
});

test("a DELETE needs no body, whatever type it names; one that it has is read", async () => {
  const url = `${await start()}/gone`;
  const headers = { "content-type": "application/json" };
  expect((await fetch(url, { method: "DELETE", headers })).status).toBe(200);
  const broken = await fetch(url, { method: "DELETE", headers, body: "{" });
  expect([broken.status, await codeOf(broken)]).toEqual([400, "BAD_REQUEST"]);
});

/** Sends bytes and returns the answer. */
async function exchange(bytes: string): Promise<string> {
  const socket = connect({ port: Number(new URL(await start()).port), host: "127.0.0.1" });
  let answer = "";
  socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(bytes);
  await once(socket, "close");
  return answer;
}

test.each([
  ["two hosts", "/ip", ["a.example", "b.example"]],
  ["a host twice", "/ip", ["a.example", "a.example"]],
  ["a target of another host", "http://b.example/ip", ["a.example"]],
  ["a target of another port", "http://a.example:81/ip", ["a.example"]],
  ["a target with a user", "http://a@a.example/ip", ["a.example"]],
  ["a target without a host", "http:///ip", ["a.example"]],
  ["a target of two hosts", "http://b.example/nowhere", ["a.example", "b.example"]],
])("a request that names %s is refused", async (_what, target, hosts) => {
  const lines = hosts.map((host) => `Host: ${host}\r\n`).join("");
  const answer = await exchange(`GET ${target} HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('"code":"BAD_REQUEST"');
});

test.each(["http://a.example/ip", "HTTP://A.example:80/ip?x=1"])(
  "%s is a target of the host that it names",
  async (target) => {
    const answer = await exchange(
      `GET ${target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('{"ip":"127.0.0.1"}');
  },
);

test.each([
  ["no HTTP", "hello\r\n\r\n"],
  ["a header too large", `GET /ip HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`],
])("%s is answered with a problem", async (_what, bytes) => {
  const answer = await exchange(bytes);
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer).toContain("\r\nContent-Type: application/problem+json\r\n");
  expect(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4))).toMatchObject({
    ...{ type: "urn:sonde:error:BAD_REQUEST", status: 400, code: "BAD_REQUEST" },
    error: { code: "BAD_REQUEST" },
  });
});

test("the header of a trusted proxy names the client, and that of nobody else", async () => {
  const forwarded = { headers: { "x-forwarded-for": "198.51.100.1, 192.0.2.1" } };
  const ipBehind = async (...trustedProxies: string[]) => {
    const { ip } = (await (
      await fetch(`${await start({ trustedProxies: () => trustedProxies })}/ip`, forwarded)
    ).json()) as { ip: string };
    await app.close();
    return ip;
  };
  expect(await ipBehind()).toBe("127.0.0.1");
  expect(await ipBehind("10.0.0.1", "192.0.2.1")).toBe("127.0.0.1");
  expect(await ipBehind("127.0.0.0/8")).toBe("192.0.2.1");
  // A second proxy in front of the first.
  expect(await ipBehind("127.0.0.1", "192.0.2.0/24")).toBe("198.51.100.1");
});

test.each(["proxy.example", "10.0.0.0/0", "::/0", "10.0.0.1/33", "10.0.0.1/8/8", "10.0.0.1/", ""])(
  "%j is no address of a proxy",
  (proxy) => {
    expect(() =>
      createHttpServer({ report: () => undefined, trustedProxies: () => [proxy] }),
    ).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  },
);
