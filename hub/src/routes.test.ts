import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Database } from "@sonde/database";
import { MAX_PACKS } from "@sonde/schemas/wire";
import { digestOf } from "@sonde/trust/archive";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgentChanges } from "./agents/edge/agent-changes.ts";
import { createEnrolmentStore } from "./agents/edge/enrolment-store.ts";
import { createPackStore } from "./catalog/edge/pack-store.ts";
import { openDirectory } from "./directory/index.ts";
import { startHub, type TestHub } from "./testing/start-hub.ts";
import { addTestMaker, removeTestMaker, TEST_MAKER } from "./testing/test-maker.ts";

// The routes under /api/v1 of a hub that runs: what each answers, and what it refuses.
const FULL_AGENT = "web-2";
const DAY_MS = 24 * 3_600_000;
let hub: TestHub;

beforeAll(async () => {
  hub = await startHub(fillAgent);
});
afterAll(() => hub.close());

/** A second agent, which should have as many packs as an agent takes. */
async function fillAgent({ sql }: Database): Promise<void> {
  const then = new Date();
  const directory = await openDirectory(sql, (error) => {
    throw error;
  });
  const store = createEnrolmentStore(sql, directory);
  const packs = createPackStore(sql, directory);
  const agents = createAgentChanges(sql, directory);
  const secret = "sonde_et_full";
  const id = randomUUID();
  const expiresAt = new Date(then.getTime() + DAY_MS);
  await addTestMaker(sql);
  await store.addToken({
    secret,
    agentName: FULL_AGENT,
    tags: [],
    approvesFirst: true,
    createdBy: TEST_MAKER,
    at: then,
    expiresAt,
  });
  await store.enrol({
    ...{
      secret,
      id,
      name: FULL_AGENT,
      isKnown: false,
      at: then,
      publicKey: id,
      serial: id,
      keyId: digestOf(Buffer.from(id)),
    },
    certificateExpiresAt: expiresAt,
  });
  await removeTestMaker(sql);
  const version = "1.0.0";
  const signer = {
    kind: "rsa-sha256",
    publisher: "acme",
    keyId: digestOf(Buffer.from(id)),
  } as const;
  for (let index = 0; index < MAX_PACKS; index++) {
    const name = `acme/pack-${index}`;
    const manifest = buildSampleManifest({ name });
    const own = digestOf(Buffer.from(name));
    await packs.savePack({ digest: own, name, version, signer, manifest }, "# Hello", then);
    await agents.assignPack({ agentId: id, pack: name, digest: own, by: "test", at: then });
  }
  await directory.close();
}

test("an agent gets no more desired packs than it accepts", async () => {
  const path = `/agents/${FULL_AGENT}/packs/acme`;
  const install = () => hub.ask("PUT", `${path}/hello`, { version: "1.0.0" });
  expect((await install()).code).toBe("BAD_REQUEST");
  expect((await hub.ask("DELETE", `${path}/pack-0`)).code).toBe(200);
  expect((await install()).code).toBe(200);
  // A newer version of one it has takes no further place.
  expect((await install()).code).toBe(200);
});

test("a request without the right is in the audit log", async () => {
  const { id, key } = await hub.addKey();
  const pin = { packDigest: hub.digest };
  expect((await hub.ask("POST", "/tool-pins", pin, key)).code).toBe("FORBIDDEN");
  const { answer: page } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = page["entries"] as {
    record: { event: string; principal: string; code: string };
  }[];
  const denied = entries.filter(({ record }) => record.event === "request.denied");
  expect(denied.map(({ record }) => [record.principal, record.code])).toEqual([
    [`key:${id}`, "FORBIDDEN"],
  ]);
});

test("agents are listed and described to a key that may see them, and to no other", async () => {
  const { key } = await hub.addKey({ role: "client", agents: [FULL_AGENT], probes: "*" });
  const { answer } = await hub.ask("GET", "/agents", undefined, key);
  expect((answer["agents"] as { name: string }[]).map(({ name }) => name)).toEqual([FULL_AGENT]);
  expect((await hub.ask("GET", `/agents/${FULL_AGENT}`, undefined, key)).answer).toMatchObject({
    ...{ name: FULL_AGENT, online: false, os: null, packs: [] },
  });
  expect((await hub.ask("GET", "/agents/web-1", undefined, key)).code).toBe("FORBIDDEN");
  expect((await hub.ask("GET", "/agents/web-1")).answer).toMatchObject({ id: hub.agent.id });
  expect((await hub.ask("GET", "/agents/web-9")).code).toBe("AGENT_UNKNOWN");
});

test("a key for a tag sees the agents that have it now, and no other", async () => {
  const { key } = await hub.addKey({ role: "client", agents: ["role=db"], probes: "*" });
  const seen = async () => {
    const { answer } = await hub.ask("GET", "/agents", undefined, key);
    return (answer["agents"] as { name: string }[]).map(({ name }) => name);
  };
  const one = async () => (await hub.ask("GET", "/agents/web-1", undefined, key)).code;
  const tag = (set: string[], remove: string[]) =>
    hub.ask("POST", "/agents/web-1/tags", { set, remove });
  expect([await seen(), await one()]).toEqual([[], "FORBIDDEN"]);
  await tag(["role=db"], []);
  expect([await seen(), await one()]).toEqual([["web-1"], 200]);
  await tag(["role=db2"], []);
  expect([await seen(), await one()]).toEqual([[], "FORBIDDEN"]);
  await tag([], ["role"]);
  // Whether there is such an agent is not told.
  expect((await hub.ask("GET", "/agents/web-9", undefined, key)).code).toBe("FORBIDDEN");
});

test.each([["role=*"], ["role="], ["Role=web"], ["role=web=x"]])(
  "a key for agents of %j is refused",
  async (selector) => {
    const policy = { role: "client", agents: [selector], probes: "*" };
    const { code } = await hub.ask("POST", "/api-keys", { name: "x", policy });
    expect(code).toBe("BAD_REQUEST");
  },
);

test.each([
  ["a member too many", { agentName: "web-4", admin: true }],
  ["a name that no agent can have", { agentName: "Web 4" }],
  ["a list", []],
  ["a tag that is none", { tags: ["role=web", "Role=Web"] }],
  ["tags that have a key twice", { tags: ["role=web", "role=db"] }],
  ["more tags than an agent may have", { tags: Array.from({ length: 17 }, (_, n) => `k${n}=v`) }],
])("a body with %s is refused", async (_what, body) => {
  expect((await hub.ask("POST", "/enrolment-tokens", body)).code).toBe("BAD_REQUEST");
});

test("a token is for the hub's own CA and for a quarter of an hour", async () => {
  const { answer, code } = await hub.ask("POST", "/enrolment-tokens", { agentName: "web-4" });
  expect(code).toBe(201);
  expect(answer["token"]).toMatch(/^sonde_et_[\w-]{43}\.[0-9a-f]{64}$/);
  expect(answer["enrolAddress"]).toMatch(/^localhost:\d+$/);
  const lasts = Date.parse(String(answer["expiresAt"])) - Date.now();
  expect(lasts).toBeGreaterThan(14 * 60_000);
  expect(lasts).toBeLessThanOrEqual(15 * 60_000);
});

test("a key ends with all that was made with it, and nothing is made with an ended one", async () => {
  const operator = { role: "operator", agents: "*", probes: "*" };
  const make = async (name: string, key?: string) => {
    const policy = { ...operator, role: name.startsWith("client") ? "client" : "operator" };
    const { answer } = await hub.ask("POST", "/api-keys", { name, policy }, key);
    return answer as { id: string; key: string };
  };
  const stolen = await make("stolen");
  const made = [await make("client of the stolen", stolen.key), await make("another", stolen.key)];
  made.push(await make("client of another", made[1]?.key));
  const other = await make("client of none");
  const { answer, code } = await hub.ask("DELETE", `/api-keys/${stolen.id}`);
  expect([code, answer["ended"]]).toEqual([
    200,
    [
      { id: made[0]?.id, name: "client of the stolen" },
      { id: made[1]?.id, name: "another" },
      { id: made[2]?.id, name: "client of another" },
    ],
  ]);
  const opens = async (key?: string) => (await hub.ask("GET", "/agents", undefined, key)).code;
  for (const { key } of [stolen, ...made]) expect(await opens(key)).toBe("UNAUTHENTICATED");
  expect(await opens(other.key)).toBe(200);
  const keys = answer["keys"] as { id: string; createdBy: string | null }[];
  expect(keys.find(({ id }) => id === made[2]?.id)?.createdBy).toBe(`key:${made[1]?.id}`);
  const { answer: page } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = page["entries"] as {
    record: { event: string; detail: { id: string; endedWith?: string } };
  }[];
  const revoked = entries.flatMap(({ record }) =>
    record.event === "key.revoked" ? [record.detail] : [],
  );
  expect(revoked.slice(-4)).toEqual([
    { id: stolen.id },
    ...made.map(({ id }) => ({ id, endedWith: stolen.id })),
  ]);
});

test("a key that its maker makes while that is being revoked ends too, or is not made", async () => {
  const maker = await hub.addKey({ role: "operator", agents: "*", probes: "*" });
  const policy = { role: "client", agents: "*", probes: "*" };
  const making = Array.from({ length: 40 }, (_, index) =>
    hub.ask("POST", "/api-keys", { name: `of the maker ${index}`, policy }, maker.key),
  );
  await making[0];
  expect((await hub.ask("DELETE", `/api-keys/${maker.id}`)).code).toBe(200);
  const made = (await Promise.all(making)).filter(({ code }) => code === 201);
  const { answer } = await hub.ask("GET", "/api-keys");
  const keys = answer["keys"] as { createdBy: string | null; revokedAt: string | null }[];
  const ofMaker = keys.filter(({ createdBy }) => createdBy === `key:${maker.id}`);
  expect(ofMaker).toHaveLength(made.length);
  expect(ofMaker.filter(({ revokedAt }) => revokedAt === null)).toEqual([]);
});

test("a key is shown once, is revoked once, and opens nothing from then on", async () => {
  const { id, key } = await hub.addKey();
  const listed = JSON.stringify((await hub.ask("GET", "/api-keys")).answer);
  expect(listed).toContain(id);
  expect(listed).not.toContain(key);
  expect((await hub.ask("GET", "/agents", undefined, key)).code).toBe(200);
  expect((await hub.ask("DELETE", `/api-keys/${id}`)).code).toBe(200);
  expect((await hub.ask("GET", "/agents", undefined, key)).code).toBe("UNAUTHENTICATED");
  expect((await hub.ask("DELETE", `/api-keys/${id}`)).code).toBe("NOT_FOUND");
  expect((await hub.ask("DELETE", `/api-keys/${randomUUID()}`)).code).toBe("NOT_FOUND");
});

test.each(["operator", "auditor"])(
  "a key of role %s takes no list that would not bind it",
  async (role) => {
    const make = (policy: object) => hub.ask("POST", "/api-keys", { name: "x", policy });
    expect((await make({ role, agents: ["web-1"], probes: "*" })).code).toBe("BAD_REQUEST");
    expect((await make({ role, agents: "*", probes: ["system.overview"] })).code).toBe(
      "BAD_REQUEST",
    );
    expect((await make({ role, agents: "*", probes: "*" })).code).toBe(201);
  },
);

test("words are approved of an archive that this hub verified, and of no other", async () => {
  const unknown = `sha256:${"0".repeat(64)}`;
  expect((await hub.ask("POST", "/tool-pins", { packDigest: unknown })).code).toBe("NOT_FOUND");
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  const { answer } = await hub.ask("POST", "/tool-pins", { packDigest: hub.digest });
  expect(answer["pins"]).toContainEqual(
    expect.objectContaining({ probe: "acme/hello.greet", tool: "acme__hello_greet" }),
  );
});

test.each([
  ["no call had", "NOT_FOUND", randomUUID()],
  ["no call can have", "BAD_REQUEST", "1"],
])("an id that %s is refused with %s", async (_what, code, callId) => {
  expect((await hub.ask("GET", `/calls/${callId}`)).code).toBe(code);
});

test.each([
  "afterSeq=-1",
  "afterSeq=1e3",
  "afterSeq=0&limit=10000",
  "afterSeq=0&limit=ten",
  "from=1",
])("the audit log is not read by %s", async (query) => {
  expect((await hub.ask("GET", `/audit?${query}`)).code).toBe("BAD_REQUEST");
});

test("the audit log is read in pages, in its order", async () => {
  const page = async (afterSeq: number) => {
    const { answer } = await hub.ask("GET", `/audit?afterSeq=${afterSeq}&limit=2`);
    return (answer["entries"] as { seq: number }[]).map(({ seq }) => seq);
  };
  expect([await page(0), await page(2)]).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

/** Begins a request whose headers arrive now, and returns what sends its body. */
async function beginSlowly(path: string, key: string, body: string) {
  const asked = request(`http://127.0.0.1:${hub.ready.http}${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      expect: "100-continue",
    },
  });
  asked.flushHeaders();
  // The hub took the headers when it says that the body may follow.
  await once(asked, "continue");
  return async (): Promise<number> => {
    const answered = once(asked, "response") as Promise<[IncomingMessage]>;
    asked.end(body);
    const [response] = await answered;
    response.resume();
    return response.statusCode ?? 0;
  };
}

const everything = { role: "operator", agents: "*", probes: "*" };
test.each([
  ["makes another key", "/api/v1/api-keys", { name: "back door", policy: everything }, 201],
  ["asks a tool", "/mcp", { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }, 200],
])("attack 39: a key that is revoked before the body arrives no longer %s", async (...of) => {
  const [, path, body, taken] = of;
  const { id, key } = await hub.addKey(everything);
  const inTime = await beginSlowly(path, key, JSON.stringify(body));
  expect(await inTime()).toBe(taken);
  const tooLate = await beginSlowly(path, key, JSON.stringify(body));
  expect((await hub.ask("DELETE", `/api-keys/${id}`)).code).toBe(200);
  expect(await tooLate()).toBe(401);
});
