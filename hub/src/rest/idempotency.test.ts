import { randomUUID } from "node:crypto";
import type { Database } from "@sonde/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openHubDatabase } from "../testing/open-hub-database.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";
import { openWriteStore } from "./edge/write-store.ts";

let hub: TestHub;
let database: Database;
beforeAll(async () => {
  hub = await startHub();
  database = await hub.openDatabase();
});
afterAll(async () => {
  await database.close();
  await hub.close();
});

const client = { role: "client", agents: "*", probes: "*" };
const send = (method: string, path: string, body: object | undefined, key: string, as?: string) =>
  hub.ask(method, path, body, as, { "idempotency-key": key });
const countKeys = async (name: string): Promise<number> => {
  const [row] = await database.sql<{ count: number }[]>`
    select count(*)::int as count from api_keys where name = ${name}`;
  return row?.count ?? 0;
};

test("a write that is sent again with its key is done once, and answered alike", async () => {
  const key = randomUUID();
  const body = { name: "twice", policy: client };
  const first = await send("POST", "/api-keys", body, key);
  const second = await send("POST", "/api-keys", body, key);
  expect(first.code).toBe(201);
  expect(second).toEqual(first);
  expect(await countKeys("twice")).toBe(1);
  // Another order of the same members is the same request.
  const turned = { policy: { probes: "*", agents: "*", role: "client" }, name: "twice" };
  expect(await send("POST", "/api-keys", turned, key)).toEqual(first);
});

test("the answer of a repetition says that it is one", async () => {
  const sent = async () =>
    await fetch(`http://127.0.0.1:${hub.ready.http}/api/v1/enrolment-tokens`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${hub.operatorKey}`,
        "content-type": "application/json",
        "idempotency-key": "the-same-one",
      },
      body: "{}",
    });
  const [first, second] = [await sent(), await sent()];
  expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([201, null]);
  expect([second.status, second.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
  expect(second.headers.get("content-type")).toBe(first.headers.get("content-type"));
  expect(await second.text()).toBe(await first.text());
});

test("a refusal is answered alike too", async () => {
  const key = randomUUID();
  const path = `/agents/${hub.agent.name}/release`;
  const first = await send("POST", path, undefined, key);
  expect(first.code).toBe("BAD_REQUEST");
  expect(await send("POST", path, undefined, key)).toEqual(first);
});

test("another request with the same key is refused, and does nothing", async () => {
  const key = randomUUID();
  await send("POST", "/api-keys", { name: "one", policy: client }, key);
  const other = await send("POST", "/api-keys", { name: "other", policy: client }, key);
  expect(other.code).toBe("IDEMPOTENCY_CONFLICT");
  expect(await countKeys("other")).toBe(0);
  const elsewhere = await send("POST", "/enrolment-tokens", { agentName: "x" }, key);
  expect(elsewhere.code).toBe("IDEMPOTENCY_CONFLICT");
});

test("the keys of one principal are no other's", async () => {
  const operator = await hub.addKey({ role: "operator", agents: "*", probes: "*" });
  const key = randomUUID();
  const body = { agentName: "shared" };
  const mine = await send("POST", "/enrolment-tokens", body, key);
  const theirs = await send("POST", "/enrolment-tokens", body, key, operator.key);
  expect([mine.code, theirs.code]).toEqual([201, 201]);
  expect(theirs.answer["token"]).not.toBe(mine.answer["token"]);
});

test("attack 16: no secret of an answer is in the database, and no idempotency key", async () => {
  const key = randomUUID();
  const { answer } = await send("POST", "/api-keys", { name: "secret", policy: client }, key);
  const secret = String(answer["key"]);
  const rows = await database.sql<{ row: string }[]>`
    select w::text || encode(coalesce(answer, ''), 'escape') as row from idempotent_writes w`;
  expect(rows.length).toBeGreaterThan(0);
  for (const { row } of rows) {
    expect(row).not.toContain(secret.slice(9, 30));
    expect(row).not.toContain(Buffer.from(secret.slice(9, 30)).toString("hex"));
    expect(row).not.toContain(key);
  }
});

test("a principal that lost its right gets no answer again", async () => {
  const operator = await hub.addKey({ role: "operator", agents: "*", probes: "*" });
  const key = randomUUID();
  expect((await send("POST", "/enrolment-tokens", {}, key, operator.key)).code).toBe(201);
  await hub.ask("DELETE", `/api-keys/${operator.id}`);
  const again = await send("POST", "/enrolment-tokens", {}, key, operator.key);
  expect(again.code).toBe("UNAUTHENTICATED");
});

test.each([
  ["too short", "a"],
  ["too long", "a".repeat(101)],
  ["with blanks", "a key with blanks"],
])("a key that is %s is refused, and nothing is done", async (_what, key) => {
  const { code } = await send("POST", "/api-keys", { name: "no key", policy: client }, key);
  expect(code).toBe("BAD_REQUEST");
  expect(await countKeys("no key")).toBe(0);
});

/** Begins a write that the hub cannot finish, and kills the hub in it. */
async function killWithin(method: string, path: string, body: object, key: string): Promise<void> {
  const { sql, ...opened } = await hub.openDatabase();
  const held = await sql.reserve();
  // Each change is recorded first, so it waits here.
  await held`begin`;
  await held`lock table audit_log in access exclusive mode`;
  const cut = send(method, path, body, key).then(
    () => "answered",
    () => "cut off",
  );
  await expect
    .poll(
      async () => {
        const [row] = await database.sql<{ count: number }[]>`
          select count(*)::int as count from pg_stat_activity
          where wait_event_type = 'Lock' and query like '%audit_log%'`;
        return row?.count;
      },
      { timeout: 30_000 },
    )
    .toBeGreaterThan(0);
  const running = await send(method, path, body, key);
  expect(running.code).toBe("REQUEST_RUNNING");
  await hub.restart(async () => {
    await held`rollback`;
    held.release();
    await opened.close();
  }, "SIGKILL");
  expect(await cut).toBe("cut off");
}

test("what a killed hub began is not done again by a POST, whose client is told", async () => {
  const key = randomUUID();
  const body = { name: "killed", policy: client };
  await killWithin("POST", "/api-keys", body, key);
  expect((await send("POST", "/api-keys", body, key)).code).toBe("ANSWER_LOST");
  expect(await countKeys("killed")).toBe(0);
  expect((await send("POST", "/api-keys", body, randomUUID())).code).toBe(201);
});

test("what a killed hub began is done again by a PUT, which does no more than once", async () => {
  const key = randomUUID();
  await killWithin("PUT", "/drift-policy/all", { action: "flag" }, key);
  const done = await send("PUT", "/drift-policy/all", { action: "flag" }, key);
  expect(done.code).toBe(200);
  expect(await send("PUT", "/drift-policy/all", { action: "flag" }, key)).toEqual(done);
});

test("of two hubs that get a key at the same moment one has it, each time", async () => {
  const shared = await openHubDatabase();
  const { sql: second } = await shared.openAgain();
  const [a, b] = [randomUUID(), randomUUID()];
  const stores = [await openWriteStore(shared.sql, a), await openWriteStore(second, b)];
  const now = new Date();
  for (let round = 0; round < 20; round++) {
    const name = { principal: "key:x", keySha256: String(round) };
    const claims = await Promise.all(stores.map((store) => store.claim(name, "r", now)));
    const winners = claims.filter((claim) => claim === null);
    const others = claims.filter((claim) => claim !== null && claim !== "full");
    expect([winners.length, others.length]).toEqual([1, 1]);
    expect([a, b]).toContain(others[0]?.hub);
  }
  // One that starts again leaves what it had begun, for one of them.
  const name = { principal: "key:x", keySha256: "left" };
  await stores[0]?.claim(name, "r", now);
  const again = await openWriteStore(shared.sql, a);
  const left = await again.claim(name, "r", now);
  if (left === null || left === "full") throw new Error("expected a write that was left");
  expect([left.hub, left.status]).toEqual([null, null]);
  const taken = [await again.takeOver(name, left, now), await stores[1]?.takeOver(name, left, now)];
  expect(taken).toEqual([true, false]);
  await shared.close();
});

test("keys are bounded by number and kept for a day", async () => {
  const shared = await openHubDatabase();
  const store = await openWriteStore(shared.sql, randomUUID());
  const now = new Date();
  await shared.sql`
    insert into idempotent_writes (principal, key_sha256, request_sha256, at, status)
    select 'key:x', n::text, 'r', ${now}, 200 from generate_series(1, 1000) n`;
  const claim = (keySha256: string, at: Date, principal = "key:x") =>
    store.claim({ principal, keySha256 }, "r", at);
  expect(await claim("new", now)).toBe("full");
  expect(await claim("new", now, "key:y")).toBeNull();
  expect(await claim("1", now)).toMatchObject({ status: 200 });
  const later = new Date(now.getTime() + 25 * 3_600_000);
  expect(await claim("1", later)).toBeNull();
  await store.expire(later);
  const [row] = await shared.sql<{ count: number }[]>`
    select count(*)::int as count from idempotent_writes`;
  expect(row?.count).toBe(1);
  await shared.close();
});
