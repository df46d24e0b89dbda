import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// Policies at a hub that runs, behind a proxy, with an agent that the test plays and its one probe.
const TOOL = "acme__hello_greet";
const PROBE = "acme/hello.greet";
let hub: TestHub;
let agent: AgentSession;

beforeAll(async () => {
  hub = await startHub(undefined, { trustedProxies: ["127.0.0.1"] });
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  agent = await hub.connect();
  agent.socket.on("message", (frame: Buffer) => {
    const { header } = agent.channel.open(frame);
    if (header.callId === null || header.type !== "call") return;
    const body = encodeBody(buildResult(header.callId, { data: {} }));
    agent.socket.send(agent.channel.seal({ type: "result", callId: header.callId, body }));
  });
  const pack = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ probes: ["greet"], signer: null, approved: null, reason: null },
  };
  const body = encodeBody(buildHello({ packs: [pack] }));
  agent.socket.send(agent.channel.seal({ type: "hello", body }));
  await vi.waitUntil(async () => (await listTools(hub.operatorKey)).includes(TOOL), 15_000);
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

type Answer = { status: number; text: string };

async function send(path: string, key: string, more: RequestInit = {}): Promise<Answer> {
  const headers = { authorization: `Bearer ${key}`, ...(more.headers as Record<string, string>) };
  const url = `http://127.0.0.1:${hub.ready.http}${path}`;
  const answer = await fetch(url, { ...more, headers });
  return { status: answer.status, text: await answer.text() };
}

const codeOf = ({ text }: Answer): unknown => /"code":"([A-Z_]+)"/.exec(text)?.[1];

async function rpc(key: string, method: string, params: object, from?: string): Promise<Answer> {
  return await send("/mcp", key, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(from !== undefined && { "x-forwarded-for": from }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
}

async function listTools(key: string): Promise<string[]> {
  const { text } = await rpc(key, "tools/list", {});
  const { result } = JSON.parse(text) as { result: { tools: { name: string }[] } };
  return result.tools.map(({ name }) => name);
}

/** The code of a call's refusal; "ok" for an answer. */
async function call(key: string, from?: string): Promise<unknown> {
  const answer = await rpc(key, "tools/call", { name: TOOL, arguments: { agent: "web-1" } }, from);
  if (answer.status !== 200) return codeOf(answer);
  const { result } = JSON.parse(answer.text) as {
    result: {
      structuredContent: { results: [{ status: string; failure?: { code: string } }] };
    };
  };
  const [{ status, failure }] = result.structuredContent.results;
  return failure?.code ?? status;
}

async function openStream(key: string): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${key}`, accept: "text/event-stream" };
  const request = get(`http://127.0.0.1:${hub.ready.http}/mcp`, { headers, agent: false });
  const [stream] = (await once(request, "response")) as [IncomingMessage];
  expect(stream.statusCode).toBe(200);
  return stream;
}

async function addKey(held: object, more: object = {}): Promise<{ id: string; key: string }> {
  const policy = { role: "client", agents: "*", probes: "*" };
  const { answer, code } = await hub.ask("POST", "/api-keys", { name: "x", policy, held, ...more });
  expect([code, answer]).toEqual([201, expect.objectContaining({ key: expect.any(String) })]);
  return answer as unknown as { id: string; key: string };
}

const setPolicy = (name: string, policy: object) => hub.ask("PUT", `/policies/${name}`, { policy });

async function readAudit() {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  return (answer["entries"] as { record: Record<string, unknown> & { detail: object } }[]).map(
    ({ record }) => record,
  );
}

test("attack 39: a key is let in from the addresses of its policy only, as the proxy states them", async () => {
  const { id, key } = await addKey({ addresses: ["192.0.2.0/24", "2001:db8::/32"] });
  const from = async (forwarded: string) => await call(key, forwarded);
  expect(await from("192.0.2.7")).toBe("ok");
  expect(await from("::ffff:192.0.2.7")).toBe("ok");
  expect(await from("2001:db8::7")).toBe("ok");
  // The proxy appends the address that it saw: a client can forge those before it.
  const elsewhere = ["203.0.113.9", "192.0.2.7, 203.0.113.9", "::ffff:203.0.113.9", "2001:db9::1"];
  for (const forwarded of elsewhere) expect(await from(forwarded)).toBe("ADDRESS_REFUSED");
  const asked = await send("/api/v1/agents", key);
  expect([asked.status, codeOf(asked)]).toEqual([403, "ADDRESS_REFUSED"]);
  expect(asked.text).toContain("sonde policy");
  const denied = (await readAudit()).filter(({ principal }) => principal === `key:${id}`);
  expect(
    denied.filter(({ code }) => code === "ADDRESS_REFUSED").map(({ detail }) => detail),
  ).toEqual(
    [...elsewhere, "127.0.0.1"].map((forwarded) =>
      expect.objectContaining({ address: forwarded.split(", ").at(-1) }),
    ),
  );
});

test("a policy that has ended lets nobody in, and says so", async () => {
  const { key } = await addKey({ expiresAt: new Date(Date.now() - 1).toISOString() });
  const answer = await send("/api/v1/agents", key);
  expect([answer.status, codeOf(answer)]).toEqual([403, "ACCESS_ENDED"]);
  expect(await call(key)).toBe("ACCESS_ENDED");
});

test("attack 39: a call above the rate is refused with the next step, and recorded", async () => {
  const { id, key } = await addKey({ rate: { perMinute: 1, burst: 2 } });
  expect([await call(key), await call(key), await call(key)]).toEqual(["ok", "ok", "RATE_LIMITED"]);
  // Another key has calls left, and lists cost none.
  expect(await call(hub.operatorKey)).toBe("ok");
  expect(await listTools(key)).toContain(TOOL);
  const denied = (await readAudit()).filter(({ principal }) => principal === `key:${id}`);
  expect(denied).toContainEqual(
    expect.objectContaining({
      ...{ event: "call.denied", code: "RATE_LIMITED" },
      detail: expect.objectContaining({ reason: expect.stringContaining("1 calls a minute") }),
    }),
  );
});

test("a changed policy acts at once, and an open stream hears of the changed list", async () => {
  await setPolicy("greeters", { tools: { allow: ["acme/*.**"] } });
  const { key } = await addKey({ name: "greeters" });
  expect(await listTools(key)).toContain(TOOL);
  const stream = await openStream(key);
  let heard = "";
  stream.on("data", (chunk: Buffer) => (heard += chunk.toString()));
  const changed = await setPolicy("greeters", {
    tools: { allow: ["acme/*.**"], deny: ["acme/hello.g*"] },
  });
  expect(changed.code).toBe(200);
  expect(await listTools(key)).not.toContain(TOOL);
  expect(await call(key)).toBe("PROBE_UNKNOWN");
  await expect.poll(() => heard).toContain("notifications/tools/list_changed");
  await setPolicy("greeters", {});
  expect(await call(key)).toBe("ok");
  await expect.poll(() => heard.split("list_changed").length).toBe(3);
  // The same stream told both: who asks meanwhile keeps it.
  expect(stream.readableEnded).toBe(false);
  stream.destroy();
});

test("a policy that somebody holds stays, and its holders are named", async () => {
  await setPolicy("kept", { agents: { allow: ["role=web"] } });
  const { id, key } = await addKey({ name: "kept" });
  const refused = await hub.ask("DELETE", "/policies/kept");
  expect(refused.code).toBe("POLICY_IN_USE");
  expect(JSON.stringify(refused.answer)).toContain(`key:${id}`);
  expect((await hub.ask("GET", "/agents", undefined, key)).answer).toMatchObject({ agents: [] });
  const { answer } = await hub.ask("GET", "/policies");
  expect(answer["holders"]).toContainEqual({ holder: `key:${id}`, policy: { name: "kept" } });
  const own = { policy: { agents: { allow: ["web-1"] } } };
  expect((await hub.ask("PUT", `/policy-holders/key:${id}`, own)).code).toBe(200);
  expect((await hub.ask("DELETE", "/policies/kept")).code).toBe(200);
  expect((await hub.ask("GET", "/policies/kept")).code).toBe("NOT_FOUND");
  expect(await call(key)).toBe("ok");
  expect((await hub.ask("DELETE", `/policy-holders/key:${id}`)).code).toBe(200);
  expect((await hub.ask("DELETE", `/policy-holders/key:${id}`)).code).toBe("NOT_FOUND");
  const events = (await readAudit()).map(({ event, detail }) => [event, detail]);
  expect(events).toContainEqual([
    "access-policy.changed",
    { name: "kept", policy: { agents: { allow: ["role=web"] } } },
  ]);
  expect(events).toContainEqual(["access-policy.held", { holder: `key:${id}`, policy: null }]);
});

test.each([
  ["a glob that is none", { tools: { allow: ["system"] } }],
  ["a regular expression", { tools: { allow: ["system.(a|b)"] } }],
  ["an address that is none", { addresses: ["10.0.0.0/33"] }],
  ["a mapped address", { addresses: ["::ffff:10.0.0.1"] }],
  ["no addresses at all", { addresses: [] }],
  ["an end that is no time", { expiresAt: "2026-02-31T99:00:00.000Z" }],
  ["a rate of none", { rate: { perMinute: 0, burst: 1 } }],
  ["a member that is unknown", { hours: "9-17" }],
  ["the name of another policy", { name: "other" }],
])("a policy with %s is refused", async (_what, policy) => {
  expect((await setPolicy("unsound", policy)).code).toBe("BAD_REQUEST");
});

test("only a policy that is there can be held, by a subject that is there", async () => {
  const nobody = randomUUID();
  const missing = { policy: { name: "not-there" } };
  const { id } = await addKey({});
  expect((await hub.ask("PUT", `/policy-holders/key:${id}`, missing)).code).toBe("BAD_REQUEST");
  const any = { policy: {} };
  expect((await hub.ask("PUT", `/policy-holders/key:${nobody}`, any)).code).toBe("NOT_FOUND");
  expect((await hub.ask("PUT", `/policy-holders/robot:${nobody}`, any)).code).toBe("BAD_REQUEST");
  const policy = { role: "client", agents: "*", probes: "*" };
  const body = { name: "x", policy, held: { name: "not-there" } };
  expect((await hub.ask("POST", "/api-keys", body)).code).toBe("BAD_REQUEST");
});

test("a simulation says what the call gets, and by which rule", async () => {
  await setPolicy("day", { tools: { allow: ["acme/*.**"], deny: ["acme/hello.greet"] } });
  const tried = async (id: string, address?: string) => {
    const body = { subject: `key:${id}`, probe: PROBE, agent: "web-1", address };
    return (await hub.ask("POST", "/policy/test", body)).answer;
  };
  const cases: [object, string, string | undefined, object][] = [
    [{}, "ok", undefined, { policy: "role client", line: "probe.call" }],
    [
      { name: "day" },
      "PROBE_UNKNOWN",
      undefined,
      { policy: "day", line: "tools.deny[0] acme/hello.greet" },
    ],
    [
      { agents: { deny: ["web-1"] } },
      "FORBIDDEN",
      undefined,
      { policy: "own", line: "agents.deny[0] web-1" },
    ],
    [
      { addresses: ["192.0.2.0/24"] },
      "ADDRESS_REFUSED",
      "203.0.113.9",
      { policy: "own", line: "addresses" },
    ],
    [
      { addresses: ["192.0.2.0/24"] },
      "ok",
      "192.0.2.9",
      { policy: "own", line: "addresses[0] 192.0.2.0/24" },
    ],
    [
      { packs: { allow: ["acme/hello"] } },
      "ok",
      undefined,
      { policy: "own", line: "packs.allow[0] acme/hello" },
    ],
    [
      { packs: { allow: ["acme/hell"] } },
      "PROBE_UNKNOWN",
      undefined,
      { policy: "own", line: "packs.allow names it not" },
    ],
  ];
  for (const [held, outcome, from, rule] of cases) {
    const { id, key } = await addKey(held);
    expect(await call(key, from)).toBe(outcome);
    const { allowed, rules } = (await tried(id, from)) as unknown as {
      allowed: boolean;
      rules: object[];
    };
    expect([allowed, rules], JSON.stringify(held)).toEqual([
      outcome === "ok",
      expect.arrayContaining([rule]),
    ]);
  }
  // What is tried is not called, and uses nothing up.
  const { id, key } = await addKey({ rate: { perMinute: 1, burst: 1 } });
  for (let times = 0; times < 3; times++) expect(await tried(id)).toMatchObject({ allowed: true });
  expect([await call(key), await call(key)]).toEqual(["ok", "RATE_LIMITED"]);
});

test("attack 39: a key in an address opens nothing, not even with another, and is never written down", async () => {
  const { key } = await addKey({});
  const encoded = key.replaceAll("_", "%5F");
  const twice = encoded.replaceAll("%", "%25");
  const paths = [
    ...[`/api/v1/agents?api_key=${key}`, `/api/v1/agents?x=1&key=${encoded}`],
    ...[`/api/v1/agents/${key}`, `/api/v1/agents/${twice}`, `/mcp/${key}`, `/${key}`],
    ...[`/health?${key}`, `/mcp?access_token=${key.replace("_ak_", "_at_")}`],
  ];
  for (const path of paths) {
    const answer = await send(path, hub.operatorKey);
    expect([answer.status, codeOf(answer)], path).toEqual([400, "KEY_IN_ADDRESS"]);
    expect(answer.text).not.toContain(key.slice(9));
  }
  const written = JSON.stringify(await readAudit());
  expect(written).toContain("KEY_IN_ADDRESS");
  expect(written).not.toContain(key.slice(9));
});

test("a key is rotated with an overlap, and not without the right", async () => {
  const { id, key } = await addKey({});
  const path = `/api-keys/${id}/rotate`;
  expect((await hub.ask("POST", path, { overlapMinutes: 60 }, key)).code).toBe("FORBIDDEN");
  const { answer, code } = await hub.ask("POST", path, { overlapMinutes: 60 });
  const rotated = answer as unknown as { key: string; previousEndsAt: string };
  expect(code).toBe(201);
  expect([await call(key), await call(rotated.key)]).toEqual(["ok", "ok"]);
  const again = (await hub.ask("POST", path, { overlapMinutes: 0 })).answer as unknown as {
    key: string;
  };
  const opens = [await call(key), await call(rotated.key), await call(again.key)];
  expect(opens).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "ok"]);
  expect((await hub.ask("POST", path, { overlapMinutes: -1 })).code).toBe("BAD_REQUEST");
  const nobody = `/api-keys/${randomUUID()}/rotate`;
  expect((await hub.ask("POST", nobody, { overlapMinutes: 0 })).code).toBe("NOT_FOUND");
  const events = (await readAudit()).filter(({ event }) => event === "key.rotated");
  expect(events.map(({ detail }) => detail)).toEqual([
    { id, previousEndsAt: rotated.previousEndsAt },
    { id, previousEndsAt: expect.any(String) },
  ]);
  expect(JSON.stringify(await readAudit())).not.toContain(rotated.key.slice(9));
});

test("a key that ends is made with its end, and the list shows it with its last use", async () => {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const { id, key } = await addKey({}, { expiresAt });
  expect(await call(key, "192.0.2.7")).toBe("ok");
  const read = async () => {
    const { answer } = await hub.ask("GET", "/api-keys");
    return (answer["keys"] as { id: string }[]).find((one) => one.id === id);
  };
  await expect.poll(read).toMatchObject({ lastUsedAddress: "192.0.2.7" });
  expect(await read()).toMatchObject({ expiresAt, held: {}, lastUsedAt: expect.any(String) });
  const policy = { role: "client", agents: "*", probes: "*" };
  const past = { name: "x", policy, expiresAt: new Date(Date.now() - 1000).toISOString() };
  expect((await hub.ask("POST", "/api-keys", past)).code).toBe("BAD_REQUEST");
});

test("an open stream ends with its key, with its secret and with its policy", async () => {
  const soon = () => new Date(Date.now() + 3_000).toISOString();
  const ends = await addKey({}, { expiresAt: soon() });
  const narrowed = await addKey({ expiresAt: soon() });
  const rotated = await addKey({});
  const streams = [
    await openStream(ends.key),
    await openStream(narrowed.key),
    await openStream(rotated.key),
  ];
  const ended = streams.map((stream) => once(stream.resume(), "end"));
  await hub.ask("POST", `/api-keys/${rotated.id}/rotate`, { overlapMinutes: 0 });
  await Promise.all(ended);
  expect(await call(ends.key)).toBe("UNAUTHENTICATED");
  expect(await call(narrowed.key)).toBe("ACCESS_ENDED");
}, 30_000);

test("attack 24: a policy for some agents binds an operator's key too, at every route", async () => {
  const policy = { role: "operator", agents: "*", probes: "*" };
  const held = { agents: { allow: ["web-1"] } };
  const { answer } = await hub.ask("POST", "/api-keys", { name: "x", policy, held });
  const { key } = answer as unknown as { key: string };
  const ask = async (method: string, path: string, body?: object) =>
    (await hub.ask(method, path, body, key)).code;
  const tags = { set: [], remove: [] };
  expect(await ask("POST", "/agents/web-1/tags", tags)).toBe(200);
  expect(await ask("POST", "/agents/web-2/tags", tags)).toBe("FORBIDDEN");
  expect(await ask("GET", "/agents/web-2/attestation")).toBe("FORBIDDEN");
  expect(await ask("GET", "/agents")).toBe(200);
  // Otherwise it would make itself a key for all agents.
  expect(await ask("POST", "/api-keys", { name: "y", policy })).toBe("FORBIDDEN");
  expect(await ask("GET", "/audit?afterSeq=0&limit=1")).toBe("FORBIDDEN");
  expect(await ask("POST", "/enrolment-tokens", {})).toBe("FORBIDDEN");
});
