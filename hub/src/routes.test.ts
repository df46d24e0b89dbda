import { randomUUID } from "node:crypto";
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
  const agents = createAgentChanges(directory);
  const secret = "sonde_et_full";
  const id = randomUUID();
  const expiresAt = new Date(then.getTime() + DAY_MS);
  await store.addToken({ secret, agentName: FULL_AGENT, at: then, expiresAt });
  await store.enrol({
    ...{
      secret,
      id,
      name: FULL_AGENT,
      at: then,
      publicKey: id,
      serial: id,
      keyId: digestOf(Buffer.from(id)),
    },
    certificateExpiresAt: expiresAt,
  });
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
    await packs.savePack({ digest: own, name, version, signer, manifest }, then);
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

test.each([
  ["a member too many", { agentName: "web-4", admin: true }],
  ["a name that no agent can have", { agentName: "Web 4" }],
  ["a list", []],
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

test.each(["afterSeq=-1", "afterSeq=1e3", "limit=10000", "limit=ten", "from=1"])(
  "the audit log is not read by %s",
  async (query) => {
    expect((await hub.ask("GET", `/audit?${query}`)).code).toBe("BAD_REQUEST");
  },
);

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
