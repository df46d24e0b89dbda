import { randomUUID } from "node:crypto";
import type { Database } from "@sonde/database";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openDirectory } from "../../directory/index.ts";
import { openLinks } from "../../links/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { startHub } from "../../testing/start-hub.ts";
import { buildAuditRecord, createAuditStore, createOpenCalls, openAudit } from "../index.ts";

const HOUR_MS = 3_600_000;
const fail = (error: Error): never => {
  throw error;
};

/** Leaves a request of that hub open. @returns its call id */
async function leaveOpen({ sql }: Database, writer: string, ageMs = 0): Promise<string> {
  const log = await openAudit(createAuditStore(sql, writer));
  const callId = randomUUID();
  const at = new Date(Date.now() - ageMs);
  const detail = { person: "person:ada", client: "terminal" };
  const known = { callId, principal: "grant:1", agent: "web-1", detail };
  await log.append(buildAuditRecord(at, "call.request", known));
  return callId;
}

async function eventsOf({ sql }: Database, callId: string): Promise<string[]> {
  const entries = await createAuditStore(sql, randomUUID()).readCall(callId);
  for (const { record } of entries) {
    expect(record.principal).toBe("grant:1");
    expect(record.detail).toEqual({ person: "person:ada", client: "terminal" });
  }
  return entries.map(({ record }) => record.event);
}

const CLOSED = ["call.request", "call.unknown"];
const OPEN = ["call.request"];

test("a hub that starts closes the calls of hubs that are gone, and of no hub that runs", async () => {
  const running = randomUUID();
  const hub = await startHub();
  const database = await hub.openDatabase();
  const directory = await openDirectory(database.sql, fail);
  // A second hub, as far as the database knows.
  const links = await openLinks({
    ...{ sql: database.sql, directory, self: running, now: () => new Date() },
    ...{ report: fail, onReplaced: fail },
  });
  try {
    const self = links.hubs.running().find((name) => name !== running) ?? "";
    const own = await leaveOpen(database, self);
    const ofGone = await leaveOpen(database, randomUUID(), HOUR_MS);
    const ofRunning = await leaveOpen(database, running, HOUR_MS);
    const mayEnd = await leaveOpen(database, randomUUID());
    await hub.restart();
    expect(await eventsOf(database, own)).toEqual(CLOSED);
    expect(await eventsOf(database, ofGone)).toEqual(CLOSED);
    expect(await eventsOf(database, ofRunning)).toEqual(OPEN);
    expect(await eventsOf(database, mayEnd)).toEqual(OPEN);
  } finally {
    await links.close();
    await directory.close();
    await database.close();
    await hub.close();
  }
});

let installation: HubDatabase;
beforeEach(async () => {
  installation = await openHubDatabase();
});
afterEach(async () => {
  vi.useRealTimers();
  await installation.close();
});

test("of two hubs that notice that a third is gone, one closes its calls", async () => {
  const third = randomUUID();
  const left: string[] = [];
  // So many that the second hub begins while the first is at it, also on a busy machine.
  for (let count = 0; count < 60; count++) {
    left.push(await leaveOpen(installation, third, HOUR_MS));
  }
  const names = [randomUUID(), randomUUID()];
  const hubs = [];
  for (const self of names) {
    const { sql } = await installation.openAgain();
    const store = createAuditStore(sql, self);
    const auditLog = await openAudit(store);
    const ports = { store, auditLog, self, now: () => new Date(), report: fail };
    hubs.push(createOpenCalls({ ...ports, running: () => names }));
  }
  await Promise.all(hubs.map((hub) => hub.closeOwn()));
  for (const callId of left) expect(await eventsOf(installation, callId)).toEqual(CLOSED);
});

test("a hub closes the calls of one that went, when they can no longer end, and not its own", async () => {
  const { sql } = installation;
  const self = randomUUID();
  const store = createAuditStore(sql, self);
  const auditLog = await openAudit(store);
  const own = await leaveOpen(installation, self, HOUR_MS);
  const gone = await leaveOpen(installation, randomUUID());
  let nowMs = Date.now();
  const calls = createOpenCalls({
    ...{ store, auditLog, self, running: () => [self], now: () => new Date(nowMs), report: fail },
  });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  calls.closeLater();
  nowMs += 121_000;
  vi.advanceTimersByTime(121_000);
  vi.useRealTimers();
  await expect.poll(() => eventsOf(installation, gone)).toEqual(CLOSED);
  expect(await eventsOf(installation, own)).toEqual(OPEN);
});

test("a request that was not sent, since its hub took it for not recorded, ends as such", async () => {
  const { sql } = installation;
  const self = randomUUID();
  const store = createAuditStore(sql, self);
  const auditLog = await openAudit(store);
  const callId = await leaveOpen(installation, self);
  const calls = createOpenCalls({
    ...{ store, auditLog, self, running: () => [self], now: () => new Date(), report: fail },
  });
  const [request] = await store.readCall(callId);
  if (request === undefined) throw new Error("expected a request");
  calls.closeUnsent(request);
  await auditLog.flush();
  expect(await eventsOf(installation, callId)).toEqual(["call.request", "call.response"]);
  const end = (await store.readCall(callId)).at(-1);
  expect(end?.record).toMatchObject({ status: "failure", code: "AUDIT_UNAVAILABLE" });
  if (end === undefined) throw new Error("expected its end");
  // Only a request has an end.
  calls.closeUnsent(end);
  await auditLog.flush();
  expect(await store.readCall(callId)).toHaveLength(2);
});
