import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyedCertificate } from "@sonde/trust/ca";
import { algorithmOf, createKeyPair, createSigningKey } from "@sonde/trust/envelope";
import { hubLogName } from "@sonde/trust/hub-log";
import {
  cosignCheckpoint,
  formatNoteKey,
  isConsistent,
  openCosigned,
  readForeignCheckpoint,
} from "@sonde/trust/log";
import { Webhook } from "standardwebhooks";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type AuditLog,
  buildAuditRecord,
  type Checkpoints,
  createAuditStore,
  openAudit,
  openCheckpoints,
} from "../../audit/index.ts";
import { type HubKeys, openHubKeys } from "../../keys/open-hub-keys.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import {
  type HttpReceiver,
  type HttpRequest,
  issueForLocalhost,
  startHttpReceiver,
} from "../../testing/sink-receivers.ts";
import type { WitnessSettings } from "../../witness-settings.ts";
import { parseAddCheckpoint } from "../core/add-checkpoint.ts";
import { openWitness } from "./open-witness.ts";
import { type RunningWitness, runWitness } from "./run-witness.ts";
import { createWitnessStore } from "./witness-store.ts";

// One witness over a real database and its checkpoints, with a real receiver.
const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
let folder: string;
let own: KeyedCertificate & { ca: string };
let keys: HubKeys;
let database: HubDatabase;
let log: AuditLog;
let checkpoints: Checkpoints;
let receiver: HttpReceiver;
const self = randomUUID();
const running: string[] = [self];
const witnesses = new Set<RunningWitness>();
const at = (name: string) => join(folder, name);
const fail = (error: Error): never => {
  throw error;
};

const pair = createKeyPair("ed25519");
const witnessKey = { name: "witness.example/w1", publicKey: pair.publicKey };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sonde-witnesses-"));
  own = await issueForLocalhost();
  writeFileSync(at("ca.pem"), own.ca);
  writeFileSync(at("key"), SECRET, { mode: 0o600 });
  keys = await openHubKeys({
    ...{ folder: at("keys"), names: ["localhost"], keyAlgorithm: "ed25519" },
    ...{ now: () => new Date(), report: fail },
  });
});
beforeEach(async () => {
  database = await openHubDatabase();
  log = await openAudit(createAuditStore(database.sql, self));
  checkpoints = await openSigned();
  receiver = await startHttpReceiver(own);
  receiver.answer = (request, response) => void response.end(cosign(request));
});
afterEach(async () => {
  running.splice(0, running.length, self);
  await Promise.all([...witnesses].map((witness) => witness.stop()));
  witnesses.clear();
  await checkpoints.close();
  await receiver.close();
  await database.close();
});
afterAll(() => {
  keys.signing.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The checkpoints, signed when a test asks for it. */
const openSigned = (by = keys) =>
  openCheckpoints({
    ...{ sql: database.sql, keys: by, now: () => new Date(), elapsed: () => 0, report: fail },
  });

const tlog = (): WitnessSettings => ({
  ...{ name: "outside", kind: "tlog-witness", url: `https://localhost:${receiver.port}/w` },
  ...{ key: formatNoteKey(witnessKey, "cosignature"), caPath: at("ca.pem") },
});

/** A witness as a hub of that name serves it. */
function run(settings: WitnessSettings = tlog(), hub = self, by = keys): RunningWitness {
  const algorithm = () => algorithmOf(by.signing.held().keys.audit[0].publicKey);
  const origin = { hubId: by.hubId, now: () => new Date(), checkpoints, algorithm };
  const witness = runWitness({
    ...{ settings, store: createWitnessStore(database.sql, hub), checkpoints, auditLog: log },
    ...{ now: () => new Date(), random: () => 0.05, report: fail },
    running: () => running,
    openSender: () => openWitness(settings, origin),
  });
  witnesses.add(witness);
  return witness;
}

/** Adds entries to the log and has it signed. @returns its size */
async function grow(count = 3): Promise<number> {
  for (let index = 0; index < count; index++) {
    await log.append(buildAuditRecord(new Date(), "key.created", { detail: { index } }));
  }
  return (await checkpoints.sign())?.size ?? 0;
}

const parse = ({ body }: HttpRequest) => parseAddCheckpoint(Buffer.from(body));
const sizeOf = (request: HttpRequest) => readForeignCheckpoint(parse(request).note).stated.size;
const cosign = (request: HttpRequest, by = pair, name = witnessKey.name, note?: string) =>
  cosignCheckpoint(
    readForeignCheckpoint(note ?? parse(request).note),
    { name, publicKey: by.publicKey },
    createSigningKey(by.privateKey, by.publicKey),
    new Date(),
  );
const place = async (name = "outside") =>
  (await createWitnessStore(database.sql, self).list()).find((one) => one.name === name);
const alarms = async () =>
  (await createAuditStore(database.sql, self).read(0, 1_000)).filter(
    ({ record }) => record.event === "witness.disagreed",
  );

test("a checkpoint is offered with the proof from the one before, and what the witness signs is kept", async () => {
  const first = await grow();
  run();
  await expect.poll(async () => (await place())?.size).toBe(first);
  const second = await grow(200);
  await expect.poll(async () => (await place())?.size).toBe(second);
  const [one, two] = receiver.requests;
  if (one === undefined || two === undefined) throw new Error("expected two requests");
  expect([one.url, parse(one).from, parse(one).proof]).toEqual(["/w/add-checkpoint", 0, []]);
  expect(parse(two).from).toBe(first);
  const [before, after] = [one, two].map((request) => readForeignCheckpoint(parse(request).note));
  if (before === undefined || after === undefined) throw new Error("expected two checkpoints");
  expect(isConsistent(before.stated, after.stated, parse(two).proof)).toBe(true);
  const kept = (await place())?.cosigned;
  expect(kept?.note.startsWith(checkpoints.latest()?.note ?? "none")).toBe(true);
  const opened = openCosigned(kept?.note ?? "", witnessKey);
  expect(opened).toMatchObject({ at: kept?.at, stated: { size: second } });
  expect(opened?.stated.origin).toBe(hubLogName(keys.hubId));
});

test("a witness that was away gets the newest checkpoint, and none of those before", async () => {
  receiver.answer = (_request, response) => void response.writeHead(503).end();
  await grow();
  run();
  await expect.poll(async () => (await place())?.error?.code).toBe("SINK_REFUSED");
  await grow();
  const newest = await grow();
  // The one in between is not taken, and the newest arrives all the same.
  receiver.answer = (request, response) => {
    if (sizeOf(request) === newest) response.end(cosign(request));
    else response.writeHead(503).end();
  };
  await expect.poll(async () => (await place())?.size, { timeout: 10_000 }).toBe(newest);
  const [first] = receiver.requests.toReversed();
  expect(first === undefined ? null : parse(first).from).toBe(0);
  expect(await place()).toMatchObject({ failingSince: null, error: { code: "SINK_REFUSED" } });
});

test("a witness that knows more is asked once more from the size that it names", async () => {
  const first = await grow();
  await grow(40);
  receiver.answer = (request, response) => {
    if (parse(request).from === first) response.end(cosign(request));
    else response.writeHead(409, { "content-type": "text/x.tlog.size" }).end(`${first}\n`);
  };
  run();
  await expect.poll(async () => (await place())?.size).toBe(first + 40);
  expect(receiver.requests.map((request) => parse(request).from)).toEqual([0, first]);
});

// Attack 59.
test.each<[string, number, (size: number) => string, RegExp]>([
  ["cosigned more than the log has", 409, (size) => `${size + 7}\n`, /has cosigned \d+ entries/],
  ["cosigned another log of that size", 409, (size) => `${size}\n`, /another log of \d+ entries/],
  ["finds its entries nowhere in the log", 422, () => "", /does not find the/],
])(
  "a witness that %s is an alarm, once, until it agrees again",
  async (_what, status, says, why) => {
    const size = await grow();
    receiver.answer = (_request, response) => void response.writeHead(status).end(says(size));
    run();
    await expect.poll(async () => (await place())?.error?.code).toBe("WITNESS_DISAGREES");
    expect((await place())?.error?.message).toMatch(why);
    const asked = receiver.requests.length;
    await expect
      .poll(() => receiver.requests.length, { timeout: 10_000 })
      .toBeGreaterThan(asked + 3);
    expect(await alarms()).toMatchObject([
      { record: { status: "failure", code: "WITNESS_DISAGREES", detail: { witness: "outside" } } },
    ]);
    expect((await place())?.cosigned).toBe(null);
    receiver.answer = (request, response) => void response.end(cosign(request));
    await expect.poll(async () => (await place())?.failingSince, { timeout: 10_000 }).toBe(null);
    expect((await place())?.cosigned).not.toBe(null);
  },
  30_000,
);

test("attack 59: a log that is shorter than what the witness took is offered to it, and the alarm is told", async () => {
  const size = await grow(6);
  const before = run();
  await expect.poll(async () => (await place())?.size).toBe(size);
  await before.stop();
  await checkpoints.close();
  // As one does who has the database: what follows is gone, and so is what was signed of it.
  const { sql } = database;
  await sql`delete from audit_log where seq > 2`;
  await sql`update audit_head set size = 2, hash = (select hash from audit_log where seq = 2)`;
  await sql`truncate audit_tree_hashes, audit_checkpoints`;
  await sql`update audit_tree set size = 0, frontier = '', head = 'sha256:' || repeat('0', 64)`;
  log = await openAudit(createAuditStore(sql, self));
  checkpoints = await openSigned();
  expect((await checkpoints.sign())?.size).toBe(2);
  receiver.answer = (_request, response) => void response.writeHead(409).end(`${size}\n`);
  run();
  await expect.poll(async () => (await place())?.error?.code).toBe("WITNESS_DISAGREES");
  expect(await place()).toMatchObject({ size, cosigned: { note: expect.any(String) as string } });
  expect(await alarms()).toHaveLength(1);
});

test.each<[string, number, string]>([
  ["does not know the key", 403, ""],
  ["does not know the log", 404, ""],
  ["fails", 500, ""],
  ["names no size", 409, "many\n"],
  ["names the size that it was asked from", 409, "0\n"],
])("a witness that %s is a failure and no alarm", async (_what, status, says) => {
  await grow();
  receiver.answer = (_request, response) => void response.writeHead(status).end(says);
  const witness = run();
  await expect.poll(async () => (await place())?.error?.code).toBe("SINK_REFUSED");
  expect(witness.failures()).toBeGreaterThan(0);
  expect(await alarms()).toEqual([]);
});

test("an answer that the witness's key did not sign over this checkpoint is not kept", async () => {
  const older = await grow();
  const { note = "" } = checkpoints.latest() ?? {};
  await grow();
  const other = createKeyPair("ed25519");
  const lies: ((request: HttpRequest) => string)[] = [
    (request) => cosign(request, other),
    (request) => cosign(request, pair, "witness.example/w2"),
    (request) => cosign(request, pair, witnessKey.name, note),
    () => "",
    () => "cosigned\n".repeat(6_000),
  ];
  let lie = lies[0];
  receiver.answer = (request, response) => void response.end(lie?.(request));
  run();
  for (const next of lies) {
    lie = next;
    const asked = receiver.requests.length;
    await expect.poll(() => receiver.requests.length, { timeout: 10_000 }).toBeGreaterThan(asked);
    await expect.poll(async () => (await place())?.error?.code).toBe("WITNESS_UNTRUSTED");
    expect(await place()).toMatchObject({ size: 0, cosigned: null });
  }
  expect(older).toBeGreaterThan(0);
  expect(await alarms()).toEqual([]);
  // Lines of others beside the one that counts are no harm, and are not kept.
  lie = (request) => `${cosign(request, other)}${cosign(request)}`;
  await expect.poll(async () => (await place())?.size, { timeout: 20_000 }).toBeGreaterThan(0);
  expect((await place())?.cosigned?.note.split("\n").length).toBe(note.split("\n").length + 1);
}, 60_000);

test("a witness that hangs is given up after ten seconds, and asked again", async () => {
  receiver.answer = () => undefined;
  await grow();
  run();
  await expect
    .poll(async () => (await place())?.error?.code, { timeout: 15_000 })
    .toBe("SINK_TIMEOUT");
  receiver.answer = (request, response) => void response.end(cosign(request));
  await expect.poll(async () => (await place())?.failingSince, { timeout: 10_000 }).toBe(null);
}, 40_000);

test("attack 60: of two hubs one serves a witness, and one that was taken for gone saves nothing", async () => {
  const second = randomUUID();
  running.push(second);
  await grow();
  run();
  await expect.poll(async () => (await place())?.size).toBe(3);
  run(tlog(), second);
  await grow();
  await expect.poll(async () => (await place())?.size).toBe(6);
  expect(receiver.requests.map(sizeOf)).toEqual([3, 6]);
  const store = createWitnessStore(database.sql, second);
  running.splice(running.indexOf(self), 1);
  const taken = await store.take("outside", running);
  const former = createWitnessStore(database.sql, self);
  const epoch = String(Number(taken?.lease.epoch) - 1);
  if (taken === null) throw new Error("expected the lease");
  expect(await former.save({ name: "outside", epoch }, { ...taken.place, size: 99 })).toBe(false);
  expect((await place())?.size).toBe(6);
});

test("a hub with an RSA audit key says that no witness can take its checkpoints", async () => {
  const rsa = await openHubKeys({
    ...{ folder: at("rsa-keys"), names: ["localhost"], keyAlgorithm: "rsa-sha256" },
    ...{ now: () => new Date(), report: fail },
  });
  await checkpoints.close();
  checkpoints = await openSigned(rsa);
  await grow();
  run(tlog(), self, rsa);
  await expect.poll(async () => (await place())?.error?.code).toBe("CONFIG_INVALID");
  expect((await place())?.error?.message).toBe(
    "expected an audit key of Ed25519, which witnesses can verify, got one of rsa-sha256",
  );
  expect(receiver.requests).toEqual([]);
  rsa.signing.close();
});

test("a webhook gets the note and the hub's id, signed, and the same again after a failure", async () => {
  let isDown = true;
  receiver.answer = (_request, response) => void response.writeHead(isDown ? 500 : 204).end();
  const size = await grow();
  run({
    ...{ name: "hook", kind: "webhook", url: `https://localhost:${receiver.port}/hook` },
    ...{ keyPath: at("key"), caPath: at("ca.pem") },
  });
  await expect.poll(() => receiver.requests.length).toBeGreaterThan(1);
  isDown = false;
  await expect.poll(async () => (await place("hook"))?.size, { timeout: 10_000 }).toBe(size);
  const ids = receiver.requests.map(({ headers }) => headers["webhook-id"]);
  expect(new Set(ids).size).toBe(1);
  for (const { headers, body } of receiver.requests) {
    expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
      type: "sonde.audit.checkpoint",
      data: { hub: keys.hubId, witness: "hook", size, note: checkpoints.latest()?.note },
    });
  }
});

test("a file gets the note as it is", async () => {
  const size = await grow();
  run({ name: "disk", kind: "file", path: at("checkpoints") });
  await expect.poll(async () => (await place("disk"))?.size).toBe(size);
  expect(readFileSync(at("checkpoints"), "utf8")).toBe(`${checkpoints.latest()?.note}\n`);
});
