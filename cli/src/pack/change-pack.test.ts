import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPackProgram } from "./program.ts";

// A stand-in for the registry: an HTTP server that records each request and answers like one.
const LIFE = { deprecated: null, advisories: [], versions: [] };
const arrived: unknown[] = [];
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    arrived.push(`${request.method} ${request.url}`, request.headers.authorization, body);
    response.end(JSON.stringify(LIFE));
  });
});
let registry: string;
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

async function run(args: string[], env = { SONDE_PUBLISH_TOKEN: "t0ken" }) {
  const out: string[] = [];
  arrived.length = 0;
  const code = await runPackProgram([...args, "--registry", registry], {
    out: (text) => out.push(text),
    err: (text) => out.push(text),
    env: new Map(Object.entries(env)),
    untilStopped: () => AbortSignal.abort(),
  });
  return { code, out: out.join("\n") };
}
const fault = ["--range", "<1.2.0", "--severity", "high", "--text", "Says too much."];

test.each<[string[], string, object]>([
  [
    ["yank", "acme/hello", "1.0.0", "--reason", "wrong"],
    "PUT /api/v1/packs/acme/hello/1.0.0/yank",
    { yanked: true, reason: "wrong" },
  ],
  [
    ["yank", "acme/hello", "1.0.0", "--reason", "right", "--undo"],
    "PUT /api/v1/packs/acme/hello/1.0.0/yank",
    { yanked: false, reason: "right" },
  ],
  [
    ["deprecate", "acme/hello", "--message", "Use acme/greet."],
    "PUT /api/v1/packs/acme/hello/deprecation",
    { message: "Use acme/greet." },
  ],
  [
    ["deprecate", "acme/hello", "--undo"],
    "PUT /api/v1/packs/acme/hello/deprecation",
    { message: null },
  ],
  [
    ["advisory", "acme/hello", "ACME-1", ...fault],
    "PUT /api/v1/packs/acme/hello/advisories/ACME-1",
    { range: "<1.2.0", severity: "high", text: "Says too much.", withdrawn: false },
  ],
])("%j asks for that", async (args, request, body) => {
  const { code } = await run(args);
  expect([code, arrived]).toEqual([0, [request, "Bearer t0ken", body]]);
});

test("without a token, or with incomplete options, nothing is sent", async () => {
  const yank = ["yank", "acme/hello", "1.0.0", "--reason", "x", "--json"];
  const { code, out } = await run(yank, {} as never);
  expect([code, (JSON.parse(out) as { error: { code: string } }).error.code]).toEqual([
    1,
    "UNAUTHENTICATED",
  ]);
  expect((await run(["deprecate", "acme/hello"])).code).toBe(1);
  expect((await run(["yank", "acme/../x", "1.0.0", "--reason", "x"])).code).toBe(1);
  expect((await run(["yank", "acme/hello", "..", "--reason", "x"])).code).toBe(1);
  expect((await run(["advisory", "acme/hello", "ACME-1", "--range", "*"])).code).toBe(2);
  expect(arrived).toEqual([]);
});
