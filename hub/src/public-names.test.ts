import { once } from "node:events";
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request } from "node:https";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "./testing/start-hub.ts";

// The hub as a process with a listener for other machines.
const NAMES = ["hub.example", "192.0.2.7", "localhost"];
let hub: TestHub;

beforeAll(async () => {
  hub = await startHub(
    undefined,
    { publicHosts: NAMES.slice(0, 2), public: { host: "127.0.0.1", port: 0 } },
    { names: NAMES },
  );
});
afterAll(() => hub.close());

type Ask = { servername?: string; host?: string; method?: string; path?: string; body?: object };

/** Asks the public listener, as a client that trusts the hub's CA alone. */
async function ask({ servername, host, method, path, body }: Ask) {
  const asked = request({
    ...{ host: "127.0.0.1", port: hub.ready.public, ca: hub.ca, agent: false },
    ...{ method: method ?? "GET", path: path ?? "/api/v1/agents" },
    servername: servername ?? "hub.example",
    headers: {
      host: `${host ?? "hub.example"}:${hub.ready.public}`,
      authorization: `Bearer ${hub.operatorKey}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
  });
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const answer = JSON.parse(Buffer.concat(await response.toArray()).toString()) as object;
  return { status: response.statusCode, answer };
}

test("the public listener has the same routes, with a certificate of the hub's CA for its names", async () => {
  expect(await ask({})).toMatchObject({ status: 200, answer: { agents: [{ name: "web-1" }] } });
  await expect(ask({ servername: "other.example" })).rejects.toMatchObject({
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
  });
});

test("attack 32: another Host is refused there too", async () => {
  expect(await ask({ host: "evil.example" })).toMatchObject({
    answer: { error: { code: "ORIGIN_REFUSED" } },
  });
});

test("nothing is answered there without TLS", async () => {
  const asked = requestPlain({ host: "127.0.0.1", port: hub.ready.public, path: "/health" });
  const answered = once(asked.end(), "response");
  await expect(answered).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
});

test("an invitation names the hub by its first name", async () => {
  const { answer } = await ask({ method: "POST", path: "/api/v1/enrolment-tokens", body: {} });
  expect(answer).toMatchObject({ enrolAddress: expect.stringMatching(/^hub\.example:\d+$/) });
});

test("the public port is kept, and a client that never speaks does not hold up the stop", async () => {
  const before = hub.ready.public;
  const silent = connect(before, "127.0.0.1").resume();
  await once(silent, "connect");
  const from = performance.now();
  const closed = once(silent, "close").then(() => performance.now() - from);
  await hub.restart();
  // Nobody but the hub's stop ends it before the limit of a handshake, which is 10 s.
  expect(await closed).toBeLessThan(9000);
  expect(hub.ready.public).toBe(before);
  expect((await ask({})).status).toBe(200);
});
