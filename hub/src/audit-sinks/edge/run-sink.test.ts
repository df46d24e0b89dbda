import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry, AuditEvent } from "@sonde/schemas/audit";
import type { KeyedCertificate } from "@sonde/trust/ca";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AuditLog, buildAuditRecord, createAuditStore, openAudit } from "../../audit/index.ts";
import type { SinkSettings } from "../../sink-settings.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import {
  type HttpReceiver,
  issueForLocalhost,
  startHttpReceiver,
  startSyslogReceiver,
} from "../../testing/sink-receivers.ts";
import { openSender } from "./open-sender.ts";
import { type RunningSink, runSink } from "./run-sink.ts";
import { createSinkStore } from "./sink-store.ts";

// One sink over a real database, with a real receiver.
let folder: string;
let own: KeyedCertificate & { ca: string };
let database: HubDatabase;
let log: AuditLog;
let receiver: HttpReceiver;
const self = randomUUID();
const running: string[] = [self];
const sinks = new Set<RunningSink>();
const at = (name: string) => join(folder, name);
const fail = (error: Error): never => {
  throw error;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-sinks-"));
  own = await issueForLocalhost();
  writeFileSync(at("ca.pem"), own.ca);
  const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  writeFileSync(at("key"), key, { mode: 0o600 });
});
beforeEach(async () => {
  database = await openHubDatabase();
  log = await openAudit(createAuditStore(database.sql, self));
  receiver = await startHttpReceiver(own);
});
afterEach(async () => {
  running.splice(0, running.length, self);
  await Promise.all([...sinks].map((sink) => sink.stop()));
  sinks.clear();
  await receiver.close();
  await database.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const webhook = (): SinkSettings => ({
  ...{ name: "hook", kind: "webhook", from: "start", url: `https://localhost:${receiver.port}/` },
  ...{ keyPath: at("key"), caPath: at("ca.pem") },
});

/** A sink as a hub of that name runs it. */
function run(settings: SinkSettings, hub = self): RunningSink {
  const { sql } = database;
  const sink = runSink({
    ...{ settings, store: createSinkStore(sql, hub), auditStore: createAuditStore(sql, hub) },
    ...{ auditLog: log, now: () => new Date(), random: () => 0.1, report: fail },
    running: () => running,
    openSender: (onLost) =>
      openSender(
        settings,
        { hubId: "hub-1", hub, host: "hub.example", now: () => new Date() },
        onLost,
      ),
  });
  sinks.add(sink);
  return sink;
}

const record = async (count: number, detail: object = {}, event: AuditEvent = "key.created") => {
  const of = Array.from({ length: count }, () =>
    log.append(buildAuditRecord(new Date(), event, { detail: { ...detail } })),
  );
  const entries = await Promise.all(of);
  for (const sink of sinks) sink.wake();
  return entries;
};
type Body = { data: { entries: AuditEntry[] } };
const entriesOf = ({ body }: { body: string }) => (JSON.parse(body) as Body).data.entries;
const arrived = () => receiver.requests.flatMap(entriesOf);
const seqs = () => arrived().map(({ seq }) => seq);
const upTo = (end: number) => Array.from({ length: end }, (_, index) => index + 1);
const place = async (name = "hook") => (await createSinkStore(database.sql, self).list([name]))[0];
const eventsOf = async (...events: AuditEvent[]) => {
  const entries = await createAuditStore(database.sql, self).read(0, 1_000);
  return entries.filter((entry) => events.includes(entry.record.event));
};

test("a new sink begins with what is recorded from now on, or at the start of the log", async () => {
  await record(3);
  const { from: _from, ...settings } = webhook();
  run({ ...settings, name: "late" });
  run(webhook());
  await expect.poll(async () => (await place("late"))?.seq).toBe(3);
  await expect.poll(seqs).toEqual([1, 2, 3]);
  await record(2);
  await expect.poll(() => seqs().toSorted()).toEqual([1, 2, 3, 4, 4, 5, 5]);
});

test("entries arrive as the log has them, so that a receiver can verify the chain", async () => {
  run(webhook());
  const written = await record(3);
  await expect.poll(arrived).toEqual(written);
});

test("what is in the log for long arrives in batches of a bounded size", async () => {
  await record(1_100);
  await record(12, { large: "x".repeat(300_000) });
  run(webhook());
  await expect.poll(seqs, { timeout: 20_000 }).toEqual(upTo(1_112));
  const sizes = receiver.requests.map(({ body }) => body.length);
  expect(Math.max(...receiver.requests.map((one) => entriesOf(one).length))).toBe(500);
  expect(Math.max(...sizes)).toBeLessThan(1_200_000);
}, 30_000);

test("a single entry that is larger than a batch arrives", async () => {
  await record(1, { large: "x".repeat(1_500_000) });
  await record(1);
  run(webhook());
  await expect.poll(seqs).toEqual([1, 2]);
});

test("the place moves when the receiver has acknowledged, and not before", async () => {
  const held: (() => void)[] = [];
  receiver.answer = (_request, response) => void held.push(() => response.writeHead(204).end());
  run(webhook());
  await record(1);
  await expect.poll(() => held.length).toBe(1);
  await new Promise((done) => setTimeout(done, 500));
  expect(await place()).toMatchObject({ seq: 0, batchEnd: 1, head: 1 });
  held[0]?.();
  await expect.poll(() => place()).toMatchObject({ seq: 1, batchEnd: null });
});

test("a batch is the same when it is sent again, also by the next process and with newer entries", async () => {
  receiver.answer = (_request, response) => void response.writeHead(500).end();
  const first = run(webhook());
  await record(3);
  await expect.poll(() => receiver.requests.length).toBeGreaterThan(1);
  await first.stop();
  sinks.delete(first);
  await record(3);
  const before = receiver.requests.length;
  receiver.answer = (_request, response) => void response.writeHead(204).end();
  run(webhook());
  await expect.poll(async () => (await place())?.seq).toBeGreaterThan(6);
  const [one] = receiver.requests;
  const again = receiver.requests[before];
  expect(again?.headers["webhook-id"]).toBe(one?.headers["webhook-id"]);
  expect(again?.body).toBe(one?.body);
  const next = receiver.requests[before + 1];
  expect(next?.headers["webhook-id"]).not.toBe(one?.headers["webhook-id"]);
});

test("a receiver that is down loses nothing, and the log says so once and when it works again", async () => {
  let isDown = true;
  receiver.answer = (_request, response) => void response.writeHead(isDown ? 503 : 204).end();
  const sink = run(webhook());
  await record(2);
  await expect.poll(() => sink.failures()).toBeGreaterThan(4);
  expect(await place()).toMatchObject({
    ...{ seq: 0, told: true, error: { code: "SINK_REFUSED" } },
    failingSince: expect.any(Date) as Date,
  });
  isDown = false;
  const before = receiver.requests.length;
  await expect.poll(async () => (await place())?.failingSince).toBeNull();
  await expect
    .poll(() => eventsOf("sink.recovered"), { timeout: 20_000, interval: 500 })
    .toHaveLength(1);
  const [failing] = await eventsOf("sink.failing");
  expect(failing?.record).toMatchObject({
    ...{ status: "failure", code: "SINK_REFUSED" },
    detail: { sink: "hook", kind: "webhook", why: "expected a status of 2xx, got 503" },
  });
  expect(await eventsOf("sink.failing")).toHaveLength(1);
  await expect.poll(async () => (await place())?.seq).toBe(4);
  const delivered = receiver.requests.slice(before).flatMap(entriesOf);
  expect([...new Set(delivered.map(({ seq }) => seq))]).toEqual([1, 2, 3, 4]);
}, 40_000);

test("entries that were dropped before they were sent are not passed over in silence", async () => {
  const first = run(webhook());
  await record(2);
  await expect.poll(seqs).toEqual([1, 2]);
  await first.stop();
  sinks.delete(first);
  await record(6);
  await database.sql`delete from audit_log where seq in (3, 4, 7)`;
  run(webhook());
  await expect.poll(async () => (await place())?.seq).toBe(10);
  expect(seqs()).toEqual([1, 2, 5, 6, 8, 9, 10]);
  expect((await eventsOf("sink.missed")).map(({ record: { detail } }) => detail)).toEqual([
    { sink: "hook", from: 3, to: 4 },
    { sink: "hook", from: 7, to: 7 },
  ]);
  // The receiver is told too.
  expect(
    arrived()
      .slice(-2)
      .map((entry) => entry.record.event),
  ).toEqual(["sink.missed", "sink.missed"]);
});

test("a batch that was begun and then dropped does not stop the sink", async () => {
  receiver.answer = (_request, response) => void response.writeHead(500).end();
  const first = run(webhook());
  await record(1);
  await expect.poll(async () => (await place())?.told).toBe(true);
  await first.stop();
  sinks.delete(first);
  await database.sql`delete from audit_log`;
  receiver.requests.length = 0;
  receiver.answer = (_request, response) => void response.writeHead(204).end();
  run(webhook());
  await record(1);
  await expect.poll(seqs).toEqual([3, 4]);
});

test("attack 60: of two hubs that run, one runs the sink, and each entry arrives once", async () => {
  const other = randomUUID();
  running.push(other);
  const holder = run(webhook());
  await record(1);
  await expect.poll(seqs).toEqual([1]);
  run(webhook(), other);
  for (let round = 0; round < 20; round++) {
    await record(2);
    await new Promise((done) => setTimeout(done, 100));
  }
  await expect.poll(async () => (await place())?.seq).toBe(41);
  expect(seqs()).toEqual(upTo(41));
  const [row] = await database.sql<{ holder: string; epoch: string }[]>`
    select holder, epoch from audit_sinks`;
  expect(row).toEqual({ holder: self, epoch: "1" });
  // Its end lets the other one in.
  await holder.stop();
  sinks.delete(holder);
  await record(1);
  await expect.poll(seqs).toEqual(upTo(42));
});

test("attack 60: a hub that was taken for gone cannot move the place any more", async () => {
  const other = randomUUID();
  const held: (() => void)[] = [];
  receiver.answer = (_request, response) => void held.push(() => response.writeHead(204).end());
  await record(2);
  run(webhook());
  await expect.poll(() => held.length).toBe(1);
  // The first hub still waits for its answer, and the others see it no longer.
  running.splice(0, running.length, other);
  run(webhook(), other);
  await expect.poll(() => held.length).toBe(2);
  held[0]?.();
  await new Promise((done) => setTimeout(done, 500));
  expect(await place()).toMatchObject({ seq: 0, batchEnd: 2 });
  held[1]?.();
  await expect.poll(async () => (await place())?.seq).toBe(2);
  const [one, again] = receiver.requests;
  expect(again?.headers["webhook-id"]).toBe(one?.headers["webhook-id"]);
  expect(receiver.requests).toHaveLength(2);
  // What comes later is sent by the other one alone.
  await record(1);
  await expect.poll(() => held.length).toBe(3);
  await new Promise((done) => setTimeout(done, 1_500));
  expect(receiver.requests).toHaveLength(3);
  held[2]?.();
});

test("syslog: what a broken connection may have lost is sent once more, and only once", async () => {
  const syslog = await startSyslogReceiver(own);
  const settings: SinkSettings = {
    ...{ name: "log", kind: "syslog", from: "start", host: "localhost" },
    ...{ port: syslog.port, caPath: at("ca.pem") },
  };
  run(settings);
  await record(2);
  await expect.poll(async () => (await place("log"))?.seq).toBe(2);
  await record(1);
  await expect.poll(async () => (await place("log"))?.seq).toBe(3);
  const got = () => syslog.messages.map(({ data }) => Number(data.get("seq")));
  syslog.cut();
  await expect.poll(got).toEqual([1, 2, 3, 3]);
  await expect.poll(async () => (await place("log"))?.seq).toBe(3);
  syslog.cut();
  await record(1);
  await expect.poll(got).toEqual([1, 2, 3, 3, 4]);
  await syslog.close();
}, 20_000);

test("what a collector takes and drops is counted, and not sent again", async () => {
  receiver.answer = (_request, response) =>
    void response.end('{"partialSuccess":{"rejectedLogRecords":"1"}}');
  await record(3);
  run({
    ...{ name: "otlp", kind: "otlp", from: "start", caPath: at("ca.pem") },
    endpoint: `https://localhost:${receiver.port}/v1/logs`,
  });
  await expect.poll(() => place("otlp")).toMatchObject({ seq: 3, rejected: 1 });
  expect(receiver.requests).toHaveLength(1);
});

test("a sink that comes back goes on where it was, also as another kind", async () => {
  const first = run(webhook());
  await record(2);
  await expect.poll(async () => (await place())?.seq).toBe(2);
  await first.stop();
  sinks.delete(first);
  await record(2);
  run({ name: "hook", kind: "file", path: at("audit.jsonl") });
  await expect.poll(async () => (await place())?.seq).toBe(4);
  const lines = readFileSync(at("audit.jsonl"), "utf8").trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as AuditEntry).seq)).toEqual([3, 4]);
});
