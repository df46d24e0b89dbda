import { randomUUID } from "node:crypto";
import { openDatabase } from "@sonde/database";
import { startTestDatabase } from "@sonde/database/testing";
import type { KeyPolicy } from "@sonde/schemas/hub";
import type { Capability } from "@sonde/schemas/names";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuditLog, createAuditStore, openAudit } from "../../audit/index.ts";
import { type Directory, hashSecret, openDirectory } from "../../directory/index.ts";
import { migrations } from "../../migrations.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { authorize, ROUTE_RIGHTS } from "../core/authorize.ts";
import { createKeySecret } from "./key-secret.ts";
import { createPrincipal, holderOfKey } from "../core/principal.ts";
import { type Authenticator, createAuthenticator } from "./authenticate.ts";
import { createCallRates } from "./call-rates.ts";
import { createKeyStore, type KeyStore } from "./key-store.ts";
import { createPolicyStore } from "./policy-store.ts";

const HOUR_MS = 3_600_000;
const POLICY: KeyPolicy = { role: "client", agents: "*", probes: "*" };
const fail = (error: Error) => {
  throw error;
};

let database: HubDatabase;
/** Of two hubs. */
let directories: Directory[];
let keys: KeyStore;
let auditLog: AuditLog;
/** The hub's clock. */
let at = Date.parse("2026-03-01T12:00:00.000Z");
const open: Authenticator[] = [];

beforeAll(async () => {
  database = await openHubDatabase();
  const other = await database.openAgain();
  directories = [await openDirectory(database.sql, fail), await openDirectory(other.sql, fail)];
  keys = createKeyStore(database.sql, hub(0));
  auditLog = await openAudit(createAuditStore(database.sql, randomUUID()));
});
afterAll(async () => {
  for (const authenticator of open) await authenticator.close();
  for (const directory of directories) await directory.close();
  await database.close();
});

const hub = (index: number) => directories[index] ?? expect.fail("no such hub");

/** What opens a hub, which forgets a key when it hears of a change. */
function openDoor(store: Pick<KeyStore, "findKey" | "noteUse"> = keys) {
  const reported: Error[] = [];
  const authenticator = createAuthenticator({
    ...{ keys: store, book: hub(0), auditLog, now: () => new Date(at) },
    report: (error) => reported.push(error),
  });
  open.push(authenticator);
  hub(0).onChange(({ kind, id }) => kind === "api-key" && authenticator.forget(id));
  const ask = async (secret: string, address = "192.0.2.1") =>
    await authenticator.authenticate(`Bearer ${secret}`, address).then(
      ({ subject }) => subject.name,
      (error: { code: string }) => error.code,
    );
  return { ask, authenticator, reported };
}

async function addKey(more: Partial<Parameters<KeyStore["addKey"]>[0]> = {}) {
  const id = randomUUID();
  const secret = createKeySecret();
  const base = { name: "Claude", policy: POLICY, createdBy: null, at: new Date(at) };
  await keys.addKey({ ...base, id, secret, ...more });
  return { id, secret };
}

test("a key ends in the millisecond that it names, also one that was asked for just before", async () => {
  const { ask } = openDoor();
  const { secret } = await addKey({ expiresAt: new Date(at + HOUR_MS) });
  at += HOUR_MS - 1;
  expect(await ask(secret)).toBe("Claude");
  at += 1;
  expect(await ask(secret)).toBe("UNAUTHENTICATED");
});

test("after a rotation both secrets open until the end that it names, then the new one alone", async () => {
  const { ask } = openDoor();
  const { id, secret } = await addKey();
  expect(await ask(secret)).toBe("Claude");
  const next = createKeySecret();
  const ends = new Date(at + HOUR_MS);
  expect(await keys.rotateKey(id, next, new Date(at), ends)).toBe(true);
  at += HOUR_MS - 1;
  expect([await ask(secret), await ask(next)]).toEqual(["Claude", "Claude"]);
  at += 1;
  expect([await ask(secret), await ask(next)]).toEqual(["UNAUTHENTICATED", "Claude"]);
  expect(await keys.listEnded(new Date(at - 1), new Date(at))).toEqual([id]);
  expect(await keys.listEnded(new Date(at), new Date(at + 1))).toEqual([]);
});

test("a second rotation ends the first secret at once, and a revocation ends all", async () => {
  const { ask } = openDoor();
  const { id, secret } = await addKey();
  const [second, third] = [createKeySecret(), createKeySecret()];
  const later = new Date(at + HOUR_MS);
  for (const next of [second, third]) await keys.rotateKey(id, next, new Date(at), later);
  const opens = async () => [await ask(secret), await ask(second), await ask(third)];
  expect(await opens()).toEqual(["UNAUTHENTICATED", "Claude", "Claude"]);
  await keys.revokeKeys([id], new Date(at));
  expect(await opens()).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"]);
  expect(await keys.rotateKey(id, createKeySecret(), new Date(at), later)).toBe(false);
});

test("attack 39: a rotation outlives no end of the key, and an ended key is not rotated", async () => {
  const { ask } = openDoor();
  const { id, secret } = await addKey({ expiresAt: new Date(at + HOUR_MS) });
  const next = createKeySecret();
  await keys.rotateKey(id, next, new Date(at), new Date(at + 5 * HOUR_MS));
  at += HOUR_MS;
  expect([await ask(secret), await ask(next)]).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED"]);
  expect(await keys.rotateKey(id, createKeySecret(), new Date(at), new Date(at))).toBe(false);
});

test("attack 39: a key that ends makes none that ends later", async () => {
  const end = new Date(at + HOUR_MS);
  const { id } = await addKey({ expiresAt: end });
  const createdBy = `key:${id}`;
  for (const expiresAt of [null, new Date(at + HOUR_MS + 1)]) {
    await expect(addKey({ createdBy, expiresAt })).rejects.toMatchObject({ code: "BAD_REQUEST" });
  }
  await addKey({ createdBy, expiresAt: end });
  at += HOUR_MS;
  const late = addKey({ createdBy, expiresAt: new Date(at + 1) });
  await expect(late).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("a mistyped key is refused without a look into the database", async () => {
  let looks = 0;
  const { ask } = openDoor({
    ...keys,
    findKey(...asked) {
      looks += 1;
      return keys.findKey(...asked);
    },
  });
  const secret = createKeySecret();
  const last = secret.endsWith("a") ? "b" : "a";
  expect(await ask(`${secret.slice(0, -1)}${last}`)).toBe("UNAUTHENTICATED");
  expect(looks).toBe(0);
  expect(await ask(secret)).toBe("UNAUTHENTICATED");
  expect(looks).toBe(1);
});

test("the last use is noted once a minute, and no request waits for it", async () => {
  const written: [string, string][] = [];
  let go = Promise.withResolvers<void>();
  const { ask, authenticator, reported } = openDoor({
    ...keys,
    async noteUse(id, address, when) {
      written.push([address, when.toISOString()]);
      await go.promise;
      await keys.noteUse(id, address, when);
    },
  });
  const { id, secret } = await addKey();
  const began = new Date(at).toISOString();
  // Each answer comes while the first use is still being written.
  for (const address of ["192.0.2.1", "192.0.2.2"])
    expect(await ask(secret, address)).toBe("Claude");
  at += 59_999;
  expect(await ask(secret, "192.0.2.3")).toBe("Claude");
  expect(written).toEqual([["192.0.2.1", began]]);
  go.resolve();
  at += 1;
  expect(await ask(secret, "192.0.2.4")).toBe("Claude");
  expect(written).toHaveLength(2);
  await authenticator.close();
  const summary = async () => (await keys.listKeys()).find((key) => key.id === id);
  const second = new Date(at).toISOString();
  expect(await summary()).toMatchObject({ lastUsedAt: second, lastUsedAddress: "192.0.2.4" });
  // Another hub's note within the same minute changes nothing.
  await keys.noteUse(id, "192.0.2.5", new Date(at + 59_999));
  expect(await summary()).toMatchObject({ lastUsedAt: second, lastUsedAddress: "192.0.2.4" });
  go = Promise.withResolvers();
  at += 60_000;
  expect(await ask(secret)).toBe("Claude");
  go.reject(new Error("the disk is full"));
  await authenticator.close();
  expect(reported.map(({ cause }) => (cause as Error).message)).toEqual(["the disk is full"]);
});

test("hubs of one database count together, and what was used up comes back with time", async () => {
  const [{ sql }, other] = [database, await database.openAgain()];
  const hubs = [createCallRates(sql), createCallRates(other.sql)];
  const rate = { perMinute: 1, burst: 5 };
  const rates = [{ holder: "key:1", rate, rule: { policy: "slow", line: "rate" } }];
  const take = async (index: number, of = rates) =>
    await hubs[index % 2]?.take(of).then(
      () => "taken",
      (error: { code: string }) => error.code,
    );
  const all = await Promise.all(Array.from({ length: 20 }, (_, index) => take(index)));
  expect(all.filter((one) => one === "taken")).toHaveLength(5);
  expect(all.filter((one) => one === "RATE_LIMITED")).toHaveLength(15);
  // Another holder of the same policy has its own.
  expect(await take(0, [{ ...rates[0], holder: "key:2" } as (typeof rates)[0]])).toBe("taken");
  await sql`update call_rates set at = at - interval '61 s' where counted = 'key:1 slow'`;
  expect([await take(1), await take(0)]).toEqual(["taken", "RATE_LIMITED"]);
  // However long nobody asks, no more than the burst comes at once.
  await sql`update call_rates set at = at - interval '9 days' where counted = 'key:1 slow'`;
  const later = await Promise.all(Array.from({ length: 8 }, (_, index) => take(index)));
  expect(later.filter((one) => one === "taken")).toHaveLength(5);
  // A clock that went back gives nothing and takes nothing.
  await sql`update call_rates set at = at + interval '1 day' where counted = 'key:1 slow'`;
  expect(await take(0)).toBe("RATE_LIMITED");
});

test("a changed policy is in force at every hub, for who is authenticated already", async () => {
  const store = createPolicyStore(database.sql, hub(0));
  const made = { by: "key:test", at: new Date(at) };
  await store.set("web-only", { agents: { allow: ["role=web"] } }, made);
  const { id, secret } = await addKey({ held: { name: "web-only" } });
  const { authenticator } = openDoor();
  const here = await authenticator.authenticate(`Bearer ${secret}`, "192.0.2.1");
  const holders = [holderOfKey(`key:${id}`, POLICY)];
  const there = createPrincipal(hub(1), here.subject, holders);
  // One that this hub has not heard of yet, as it is read from the database.
  const empty = { policies: () => hub(0).policies(), holders: () => new Map() };
  const found = await keys.findKey(secret, new Date(at));
  const early = createPrincipal(empty, here.subject, [
    holderOfKey(`key:${id}`, POLICY, found?.held),
  ]);
  const decide = (principal: typeof here, tag: string) =>
    authorize(principal, {
      ...{ kind: "probe.call", probe: "system.overview", capability: "observe" },
      agent: { name: "db-1", tags: [tag] },
    }).allowed;
  await expect.poll(() => hub(1).holders().has(`key:${id}`)).toBe(true);
  await expect.poll(() => decide(there, "role=web")).toBe(true);
  expect([decide(early, "role=db"), decide(early, "role=web")]).toEqual([false, true]);
  expect([decide(here, "role=db"), decide(there, "role=db")]).toEqual([false, false]);
  await store.set("web-only", { agents: { allow: ["role=db"] } }, made);
  expect([decide(here, "role=db"), decide(here, "role=web")]).toEqual([true, false]);
  await expect.poll(() => decide(there, "role=db")).toBe(true);
  await expect.poll(() => there.policyHash).toBe(here.policyHash);
  // While somebody holds it, it stays.
  expect(await store.remove("web-only")).toEqual([`key:${id}`]);
  expect(decide(here, "role=db")).toBe(true);
  expect(await store.hold(`key:${id}`, { name: "none" }, made)).toBe(false);
  expect(await store.hold(`key:${id}`, { tools: { allow: [] } }, made)).toBe(true);
  await expect.poll(() => decide(there, "role=db")).toBe(false);
  expect(decide(here, "role=db")).toBe(false);
  expect(await store.remove("web-only")).toEqual([]);
  expect(hub(0).policies().has("web-only")).toBe(false);
  // What a key held ends with it.
  await keys.revokeKeys([id], new Date(at));
  expect(hub(0).holders().has(`key:${id}`)).toBe(false);
});

/** As release 0.1.0 and its hubs stored keys: whole rows of its table. */
const OLD_ROWS = `
  insert into hub.api_keys (id, name, key_sha256, policy, created_at, revoked_at) values
  ('11111111-1111-4111-8111-111111111111', 'operator', '${hashSecret(`sonde_ak_${"o".repeat(43)}`)}',
    '{"role":"operator","agents":"*","probes":"*"}', '2026-01-01T00:00:00Z', null),
  ('22222222-2222-4222-8222-222222222222', 'auditor', '${hashSecret(`sonde_ak_${"a".repeat(43)}`)}',
    '{"role":"auditor","agents":"*","probes":"*"}', '2026-01-01T00:00:00Z', null),
  ('33333333-3333-4333-8333-333333333333', 'client', '${hashSecret(`sonde_ak_${"c".repeat(43)}`)}',
    '{"role":"client","agents":["web-1","role=db"],"probes":["system.overview","acme/hello.greet"]}',
    '2026-01-01T00:00:00Z', null),
  ('44444444-4444-4444-8444-444444444444', 'gone', '${hashSecret(`sonde_ak_${"g".repeat(43)}`)}',
    '{"role":"client","agents":"*","probes":"*"}', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z');`;

test("keys of a database of an earlier release mean what they meant", async () => {
  const server = await startTestDatabase();
  const opened = (names: typeof migrations) =>
    openDatabase({
      ...{ dataDir: "/nonexistent", url: server.url, schema: "hub", migrations: names },
      ...{ maxConnections: 2, onLost: fail },
    });
  const before = migrations.findIndex(({ name }) => name === "policies");
  const old = await opened(migrations.filter((_migration, index) => index < before));
  await old.sql.unsafe(OLD_ROWS);
  await old.close();
  const updated = await opened(migrations);
  const { sql } = updated;
  const directory = await openDirectory(sql, fail);
  const store = createKeyStore(sql, directory);
  const authenticator = createAuthenticator({
    ...{ keys: store, book: directory, now: () => new Date(at), report: fail },
    auditLog: { append: () => Promise.resolve() },
  });
  const principal = (letter: string) =>
    authenticator.authenticate(`Bearer sonde_ak_${letter.repeat(43)}`, "192.0.2.1");
  const rights = async (letter: string) => {
    const of = await principal(letter);
    return ROUTE_RIGHTS.filter((kind) => authorize(of, { kind }).allowed);
  };
  // Those of the earlier release, besides the new ones.
  const former = [
    ...["probe.list", "agents.read", "agents.manage", "drift.read", "drift.manage"],
    ...["tools.approve", "tools.read", "keys.manage", "audit.read", "calls.read"],
  ] as const;
  expect(await rights("o")).toEqual(expect.arrayContaining([...former]));
  const ofAuditor = (await rights("a")).filter((right) => former.some((one) => one === right));
  expect(ofAuditor).toEqual([
    ...["probe.list", "agents.read", "drift.read", "tools.read", "audit.read", "calls.read"],
  ]);
  expect(await rights("c")).toEqual(["probe.list", "agents.read"]);
  const calls = async (letter: string, name: string, probe: string, capability: Capability) => {
    const agent = { name, tags: name.startsWith("db") ? ["role=db"] : [] };
    const right = { kind: "probe.call", agent, probe, capability } as const;
    return authorize(await principal(letter), right).allowed;
  };
  expect(await calls("o", "web-9", "docker.containers.restart", "manage")).toBe(true);
  expect(await calls("a", "web-1", "system.overview", "observe")).toBe(false);
  expect(await calls("c", "web-1", "system.overview", "observe")).toBe(true);
  expect(await calls("c", "db-7", "acme/hello.greet", "observe")).toBe(true);
  expect(await calls("c", "web-10", "system.overview", "observe")).toBe(false);
  expect(await calls("c", "web-1", "system.overview", "interact")).toBe(false);
  expect(await calls("c", "web-1", "system.overviews", "observe")).toBe(false);
  await expect(principal("g")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  expect(
    (await store.listKeys()).map(({ name, held, expiresAt }) => [name, held, expiresAt]),
  ).toEqual(["operator", "auditor", "client", "gone"].map((name) => [name, null, null]));
  await authenticator.close();
  await directory.close();
  await updated.close();
  await server.close();
});
