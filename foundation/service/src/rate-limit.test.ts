import { parsePackList } from "@sonde/schemas/registry";
import { afterEach, expect, test } from "vitest";
import { createHttpServer } from "./http-server.ts";
import { createRateLimit } from "./rate-limit.ts";
import type { HttpServer } from "./server.ts";

let app: HttpServer;
let nowMs = 0;
afterEach(() => app.close());

/** The route that a request asks, by a member that has no other effect here. */
const PATHS = { follow: "/", error: "/secret", manual: "/foreign" };

async function serve(
  trustedProxies: string[] = [],
  limits = { readsPerMinute: 3, writesPerMinute: 1, refusalsPerMinute: 1 },
): Promise<(init?: RequestInit) => Promise<Response>> {
  app = createHttpServer({
    report: () => undefined,
    rateLimits: { read: () => limits, nowMs: () => nowMs },
    trustedProxies: () => trustedProxies,
  });
  const config = { right: "anybody" } as const;
  app.get("/", { config }, () => ({ packs: [], cursor: null }));
  app.get("/secret", { config }, async (_request, reply) => reply.code(401).send({}));
  app.get("/foreign", { config }, async (_request, reply) => reply.code(403).send({}));
  app.put("/", { config }, () => ({}));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return ({ ...init } = {}) =>
    fetch(`http://127.0.0.1:${port}${PATHS[init.redirect ?? "follow"]}`, init);
}
const statuses = async (count: number, ask: () => Promise<Response>): Promise<number[]> => {
  const got: number[] = [];
  for (let index = 0; index < count; index++) got.push((await ask()).status);
  return got;
};
const from = (address: string): RequestInit => ({ headers: { "x-forwarded-for": address } });

test("reads may burst to two minutes' worth, then proceed at the refill rate", async () => {
  const ask = await serve();
  parsePackList(await (await ask()).json());
  expect(await statuses(6, ask)).toEqual([200, 200, 200, 200, 200, 429]);
  const refused = await ask();
  expect(refused.headers.get("retry-after")).toBe("20");
  expect(await refused.json()).toMatchObject({ error: { code: "TOO_MANY_ATTEMPTS" } });
  nowMs += 19_000;
  expect((await ask()).status).toBe(429);
  nowMs += 1_000;
  expect(await statuses(2, ask)).toEqual([200, 429]);
});

test("writes have a limit of their own", async () => {
  const ask = await serve();
  expect(await statuses(3, () => ask({ method: "PUT" }))).toEqual([200, 200, 429]);
  expect((await ask()).status).toBe(200);
});

test.each([
  ["guesses tokens", "error", 401],
  ["asks for what its token may not", "manual", 403],
] as const)(
  "a client that %s is stopped before the next token is checked",
  async (_what, redirect, status) => {
    const ask = await serve();
    const guess = (): Promise<Response> =>
      ask({ redirect, headers: { authorization: "Bearer guess" } });
    expect(await statuses(3, guess)).toEqual([status, status, 429]);
    expect((await ask({ method: "PUT" })).status).toBe(429);
    expect((await ask()).status).toBe(200);
  },
);

test("without a proxy X-Forwarded-For is ignored", async () => {
  const ask = await serve();
  let n = 0;
  expect(await statuses(7, () => ask(from(`192.0.2.${n++}`)))).toEqual([
    200, 200, 200, 200, 200, 200, 429,
  ]);
});

test("behind a proxy only the address that the proxy added counts", async () => {
  const ask = await serve(["127.0.0.1"]);
  expect((await statuses(7, () => ask(from("192.0.2.1")))).at(-1)).toBe(429);
  expect((await ask(from("192.0.2.2"))).status).toBe(200);
  let n = 0;
  expect((await ask(from(`198.51.100.${n++}, 192.0.2.1`))).status).toBe(429);
});

test("the addresses of one IPv6 network count as one", async () => {
  const ask = await serve(["127.0.0.1"]);
  let n = 0;
  expect((await statuses(7, () => ask(from(`2001:db8::${++n}`)))).at(-1)).toBe(429);
  expect((await ask(from("2001:db8:0:0:1:2:3:4"))).status).toBe(429);
  expect((await ask(from("2001:db8:0:1::1"))).status).toBe(200);
});

test("each IPv4 address has its own bucket, mapped to IPv6 or not", () => {
  const limit = createRateLimit({ perMinute: 1, atOnce: 1 }, () => nowMs);
  expect(limit.take("::ffff:192.0.2.1")).toBe(0);
  expect(limit.take("::ffff:192.0.2.2")).toBe(0);
  expect(limit.take("192.0.2.1")).toBeGreaterThan(0);
});

test("a bucket never exceeds its size, whatever the clock does", () => {
  let at = 1_000_000;
  const limit = createRateLimit({ perMinute: 6, atOnce: 2 }, () => at);
  const take = (): number => limit.take("192.0.2.1");
  expect([take(), take(), take()]).toEqual([0, 0, 10_000]);
  expect(limit.take("192.0.2.2")).toBe(0);
  // A clock that is set back neither adds nor removes tokens.
  at -= 500_000;
  expect(take()).toBe(10_000);
  at += 10_000;
  expect([take(), take()]).toEqual([0, 10_000]);
  at += 3_600_000;
  expect([take(), take(), take()]).toEqual([0, 0, 10_000]);
});
