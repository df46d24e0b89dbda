import { X509Certificate } from "node:crypto";
import { watch } from "node:fs";
import type { Database } from "@sonde/database";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { createWorkshop, type Workshop } from "../../foundation/privileges/src/testing/workshop.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { createKnownAgent, type KnownAgent } from "./start-known-agent.ts";

// Identity rule 5: hub and agent as processes; one of them is killed in the middle of a renewal. The
// database holds the hub at a step by a trigger that sleeps.

const WAIT = { timeout: 30_000, interval: 50 };
/** Of this the agent's certificate has left: its renewal is due within a fifth. */
const LEFT_MS = 40_000;
let workshop: Workshop;
let program: string;
let hub: TestHub;
let agent: KnownAgent;
let database: Database;
let first: string;

beforeAll(async () => {
  workshop = await createWorkshop();
  program = await workshop.bundle("agent", `import "./agent/daemon/src/main.ts";`);
  hub = await startHub();
  database = await hub.openDatabase();
  await database.sql.unsafe(`create function sleep() returns trigger language plpgsql as
    $$ begin perform pg_sleep(600); return new; end $$`);
});
afterAll(async () => {
  await database.close();
  await hub.close();
  workshop.close();
});
beforeEach(async () => {
  agent = createKnownAgent(hub, workshop, program);
  // The hub stores the head of the agent before when its session has ended.
  await vi.waitFor(async () => expect((await describeAgent())["online"]).toBe(false), WAIT);
  await database.sql`update agents set audit_head = null`;
  first = await hub.issueCertificate(LEFT_MS);
  agent.setCertificate(first);
});
afterEach(() => agent.stop());

const serialOf = (pem: string) => new X509Certificate(pem).serialNumber.toLowerCase();
const describeAgent = async () => (await hub.ask("GET", "/agents/web-1")).answer;
const comesBack = () =>
  vi.waitFor(async () => expect((await describeAgent())["online"]).toBe(true), WAIT);
/** Waits until the hub has issued the certificate after the first one. */
const issued = () =>
  vi.waitFor(async () => {
    const rows = await database.sql`select 1 from agent_certificates c
      where c.generation > (select generation from agent_certificates where serial = ${serialOf(first)})`;
    expect(rows.length).toBeGreaterThan(0);
  }, WAIT);
/** Kills the hub while it sleeps before a change of that table. */
async function killHubAt(table: string, change: string): Promise<void> {
  const { sql } = database;
  await sql.unsafe(`create trigger sleep before ${change} on ${table} for each row
    execute function sleep()`);
  await agent.start();
  await vi.waitFor(async () => {
    const found = await sql`select pid from pg_stat_activity where wait_event = 'PgSleep'`;
    expect(found.length).toBeGreaterThan(0);
  }, WAIT);
  await hub.restart(async () => {
    // The killed hub's statement sleeps on in the database.
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'`;
    await sql.unsafe(`drop trigger sleep on ${table}`);
  }, "SIGKILL");
}
/** Stops the agent before its renewal, and goes on once the hub has issued the certificate. */
async function untilUnread(): Promise<void> {
  await agent.start();
  await vi.waitFor(async () => expect((await agent.status()).connected).toBe(true), WAIT);
  agent.signal("SIGSTOP");
  await issued();
}
/** Kills the agent as soon as this is so at a change in the folder of its identity. */
async function killAgentAt(isSo: (name: string) => boolean): Promise<void> {
  const changed = Promise.withResolvers<void>();
  const watcher = watch(agent.identity, (_event, name) => {
    if (name === null || !isSo(name)) return;
    agent.signal("SIGKILL");
    changed.resolve();
  });
  await agent.start();
  await changed.promise;
  watcher.close();
  await agent.stop();
  await agent.start();
}

test.each<[string, () => Promise<void>]>([
  [
    "the hub, before the next certificate is on the allow list",
    () => killHubAt("agent_certificates", "insert"),
  ],
  [
    "the hub, before the agent has read the next certificate",
    async () => {
      await untilUnread();
      await hub.restart(() => undefined, "SIGKILL");
      agent.signal("SIGCONT");
    },
  ],
  [
    "the hub, before it keeps that the agent has the next certificate",
    () => killHubAt("agents", "update of generation"),
  ],
  [
    "the agent, before it has read the next certificate",
    async () => {
      await untilUnread();
      await agent.stop();
      await agent.start();
    },
  ],
  [
    "the agent, while it writes the next certificate",
    () => killAgentAt((name) => name.endsWith(".new")),
  ],
  [
    "the agent, when it has written the next certificate",
    () => killAgentAt(() => serialOf(agent.certificate()) !== serialOf(first)),
  ],
])(
  "identity rule 5: kill -9 of %s locks nobody out",
  async (_what, renew) => {
    await renew();
    await comesBack();
    // Whatever was lost, it is renewed again, and the renewed one opens.
    await vi.waitFor(() => expect(serialOf(agent.certificate())).not.toBe(serialOf(first)), WAIT);
    await agent.stop();
    await vi.waitFor(async () => expect((await describeAgent())["online"]).toBe(false), WAIT);
    await agent.start();
    await comesBack();
    expect((await describeAgent())["holds"]).toEqual([]);
  },
  120_000,
);
