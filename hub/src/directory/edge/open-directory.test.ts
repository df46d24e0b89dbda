import { randomUUID } from "node:crypto";
import type { Database } from "@sonde/database";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import type { Change } from "../core/facts.ts";
import { type Directory, openDirectory } from "./open-directory.ts";

let first: HubDatabase;
let databases: [Database, Database];
let directories: [Directory, Directory];
const problems: Error[] = [];

beforeAll(async () => {
  first = await openHubDatabase();
  databases = [first, await first.openAgain()];
  const report = (error: Error) => problems.push(error);
  directories = [
    await openDirectory(databases[0].sql, report),
    await openDirectory(databases[1].sql, report),
  ];
});
afterAll(async () => {
  for (const directory of directories) await directory.close();
  await first.close();
});

const addAgent = (directory: Directory, id: string, name: string) =>
  directory.change([{ kind: "agent", id }], async (tx) => {
    await tx`insert into agents (id, name, public_key, enrolled_at)
      values (${id}, ${name}, 'key', now())`;
  });

test("a change is visible at once at its hub, and soon at the others", async () => {
  const id = randomUUID();
  const heard: Change[] = [];
  directories[1].onChange((change) => heard.push(change));
  await addAgent(directories[0], id, "web-1");
  expect(directories[0].agent("web-1")).toMatchObject({ id, packs: [], link: { hub: null } });
  await expect.poll(() => directories[1].agentById(id)?.name).toBe("web-1");
  expect(heard).toEqual([{ kind: "agent", id }]);
  expect(directories[1].agents().map(({ name }) => name)).toEqual(["web-1"]);
});

test("work that throws changes nothing and notifies nobody", async () => {
  const id = randomUUID();
  const failing = directories[0].change([{ kind: "agent", id }], async (tx) => {
    await tx`insert into agents (id, name, public_key, enrolled_at)
      values (${id}, 'web-2', 'key', now())`;
    throw new Error("the work failed");
  });
  await expect(failing).rejects.toThrow("the work failed");
  const [row] = await databases[0].sql`select count(*)::int as n from changes where id = ${id}`;
  expect(row).toEqual({ n: 0 });
  expect(() => directories[0].agent("web-2")).toThrow("expected the name of an enrolled agent");
});

test("one statement changes an agent, and tells every hub", async () => {
  const id = randomUUID();
  const [{ sql }] = databases;
  const [one, two] = [randomUUID(), randomUUID()];
  await addAgent(directories[0], id, "web-4");
  const lock = (held: string) =>
    directories[0].changeAgent(id, sql`link_hub = ${held}`, sql`link_hub is null`);
  expect(await lock(one)).toBe(true);
  expect(directories[0].agentById(id)?.link.hub).toBe(one);
  await expect.poll(() => directories[1].agentById(id)?.link.hub).toBe(one);

  const count = sql<{ n: number }[]>`select count(*)::int as n from changes where id = ${id}`;
  expect(await lock(two)).toBe(false);
  expect(directories[0].agentById(id)?.link.hub).toBe(one);
  expect(await count).toEqual([{ n: 2 }]);
});

test("many concurrent changes are all seen", async () => {
  const ids = Array.from({ length: 200 }, () => randomUUID());
  await Promise.all(ids.map((id, index) => addAgent(directories[0], id, `many-${index}`)));
  for (const id of ids) expect(directories[0].agentById(id)?.id).toBe(id);
  await expect
    .poll(() => ids.filter((id) => directories[1].agentById(id) === undefined))
    .toEqual([]);
});

test("a change during a lost connection is read after the reconnect", async () => {
  const id = randomUUID();
  // Both directories lose the connection that listens, in the moment of the change: one query is
  // one transaction, and neither listens again before its commit.
  await databases[0].sql.unsafe(`
    insert into agents (id, name, public_key, enrolled_at) values ('${id}', 'web-3', 'key', now());
    insert into changes (kind, id) values ('agent', '${id}');
    select pg_terminate_backend(pid) from pg_stat_activity
      where query like 'listen%' and datname = current_database()`);
  await expect.poll(() => directories[1].agentById(id)?.name).toBe("web-3");
});

test("a change whose read fails is retried at every hub until it is visible", async () => {
  const [{ sql }] = databases;
  const digest = `sha256:${"a".repeat(64)}`;
  const change = directories[0].change([{ kind: "pack", id: digest }], async (tx) => {
    await tx`insert into packs (digest, name, version, signer, manifest, verified_at)
      values (${digest}, 'acme/hello', '1.0.0', '{}', '{}', now())`;
    await tx`alter table packs rename column version to away`;
  });
  await expect.poll(() => problems.length).toBeGreaterThanOrEqual(2);
  await sql`alter table packs rename column away to version`;
  await change;
  expect(directories[0].packs().get(digest)?.name).toBe("acme/hello");
  await expect.poll(() => directories[1].packs().get(digest)?.name).toBe("acme/hello");
  for (const problem of problems.splice(0)) expect(problem.message).toContain("version");
});

test.each([
  "",
  "agent",
  "agent x",
  "agent \u{1f4a5}",
  "pack x",
  "pin x y",
  "api-key x",
  "hub x",
  "__proto__ x",
  `agent ${randomUUID()} `,
])(
  "a notification %j of another user of the database is reported, and wedges no hub",
  async (text) => {
    await databases[0].sql.notify("sonde_hub_changes", text);
    const id = randomUUID();
    await addAgent(directories[0], id, `host-${id}`);
    await expect.poll(() => directories[1].agentById(id)?.id).toBe(id);
    const heard = problems.splice(0).map(({ message }) => message.slice(0, 15));
    expect(heard).toEqual(["notified change", "notified change"]);
  },
);

test("rows of old changes are deleted", async () => {
  await databases[0].sql`insert into changes (kind, id)
    select 'agent', gen_random_uuid() from generate_series(1, 2500)`;
  const [row] = await databases[0].sql<{ n: number }[]>`select count(*)::int as n from changes`;
  expect(row?.n).toBeLessThan(1100);
  expect(problems).toEqual([]);
});
