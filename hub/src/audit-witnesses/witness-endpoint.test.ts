import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { AuditEntry } from "@sonde/schemas/audit";
import { takeLock } from "@sonde/files";
import {
  formatNoteKey,
  openCosigned,
  parseNoteKey,
  proveConsistency,
  rootOf,
} from "@sonde/trust/log";
import { createSampleLog, type SampleLog } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../testing/start-hub.ts";
import { writeAddCheckpoint } from "./core/add-checkpoint.ts";

// A hub as a process that is a witness of other logs.
let hub: TestHub;
let name = 0;
let address = 0;
const logs = Array.from({ length: 12 }, () => createSampleLog(`log.example/${(name += 1)}`));
const rotated = { ...createSampleLog().key, name: "log.example/1" };
const vkeys = [...logs.map(({ key }) => formatNoteKey(key)), formatNoteKey(rotated)];

beforeAll(async () => {
  // Each request may come from another address, by the header of a proxy.
  const http = { trustedProxies: ["127.0.0.1"] };
  hub = await startHub(undefined, http, { config: { witnessFor: vkeys } });
});
afterAll(() => hub.close());

let used = 0;
/** A log of the list that no other test uses, with five entries. */
function takeLog(): SampleLog {
  const log = logs[used++];
  if (log === undefined) throw new Error("expected a log that no test has used");
  return grow(log, 5);
}
function grow(log: SampleLog, by: number, word = "entry"): SampleLog {
  for (let index = 0; index < by; index++) log.append(Buffer.from(`${word} ${index}`));
  return log;
}
async function ask(log: SampleLog, from: number, proof?: readonly Buffer[]): Promise<string> {
  const { size } = log.frontier;
  const asked = proof ?? (from <= size ? await proveConsistency(from, size, log.readTile) : []);
  return writeAddCheckpoint({ from, proof: asked, note: log.checkpoint() });
}
async function post(body: string | Buffer, from = `192.0.2.${(address = (address + 1) % 250)}`) {
  const answer = await fetch(`http://127.0.0.1:${hub.ready.http}/witness/add-checkpoint`, {
    method: "POST",
    headers: { "x-forwarded-for": from },
    body: Buffer.from(body),
  });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get("content-type"), text };
}
const witnessKey = async () => {
  const { answer } = await hub.ask("GET", "/signing-keys");
  const found = (answer["keys"] as { use: string; vkey?: string }[]).find(
    ({ use }) => use === "witness",
  );
  return parseNoteKey(found?.vkey ?? "", "cosignature");
};
const isCosigned = async (log: SampleLog, { text }: { text: string }) => {
  const opened = openCosigned(`${log.checkpoint()}${text}`, await witnessKey());
  return (
    opened?.stated.size === log.frontier.size && opened.stated.root.equals(rootOf(log.frontier))
  );
};
const entriesOf = async (event: string) => {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  return (answer["entries"] as AuditEntry[]).filter(({ record }) => record.event === event);
};

test("checkpoints that follow one another are cosigned by a key that the hub names", async () => {
  const log = takeLog();
  const first = await post(await ask(log, 0));
  expect(first).toMatchObject({ status: 200, type: "text/plain; charset=utf-8" });
  expect(await isCosigned(log, first)).toBe(true);
  grow(log, 300);
  const second = await post(await ask(log, 5));
  expect(second.status).toBe(200);
  expect(await isCosigned(log, second)).toBe(true);
  const again = await post(await ask(log, 305));
  expect(again.status).toBe(200);
  expect(await isCosigned(log, again)).toBe(true);
  expect((await witnessKey()).name).toBe(`sonde.hub/${hub.ready.hubId}/witness`);
});

test("a request from another size is told the one that was cosigned last", async () => {
  const log = takeLog();
  expect(await post(await ask(log, 3))).toEqual({
    ...{ status: 409, type: "text/x.tlog.size", text: "0\n" },
  });
  expect((await post(await ask(log, 0))).status).toBe(200);
  grow(log, 2);
  const conflict = await post(await ask(log, 0));
  expect(conflict).toEqual({ status: 409, type: "text/x.tlog.size", text: "5\n" });
});

test("a log that is not on the list, and one that its key did not sign, get nothing", async () => {
  const stranger = grow(createSampleLog("log.example/unknown"), 3);
  expect((await post(await ask(stranger, 0))).status).toBe(404);
  const log = takeLog();
  const impostor = grow(createSampleLog(log.key.name), 3);
  const refused = await post(await ask(impostor, 0));
  expect([refused.status, JSON.parse(refused.text)]).toEqual([
    ...[403, expect.objectContaining({ code: "CHECKPOINT_UNTRUSTED" })],
  ]);
  // A key of another log on the list is no key of this one.
  const { key } = grow(logs[0] as SampleLog, 0);
  const borrowed = grow(createSampleLog("log.example/unknown"), 1).checkpoint();
  const under = borrowed.replaceAll("log.example/unknown", key.name);
  expect((await post(writeAddCheckpoint({ from: 0, proof: [], note: under }))).status).toBe(403);
  expect((await post(await ask(log, 0))).status).toBe(200);
});

const plain = takeLog();
test.each<[string, (log: SampleLog) => Promise<string | Buffer>, number]>([
  ["an old size above the checkpoint's", async (log) => await ask(log, 6), 400],
  ["no body", async () => "", 400],
  ["no checkpoint", async () => "old 0\n\nnothing\n", 400],
  ["no UTF-8", async () => Buffer.from([0xff, 0xfe]), 400],
  ["a proof where none belongs", async (log) => await ask(log, 0, [Buffer.alloc(32)]), 422],
  ["much", async () => Buffer.alloc(17 * 1024, "x"), 413],
])("a request with %s is refused as the specification says", async (_what, build, status) => {
  expect((await post(await build(plain))).status).toBe(status);
});

// Attack 59: a fork, a log that was cut, and a lying proof.
test("another history gets no cosignature, and its signed checkpoint is in the witness's own log", async () => {
  const log = takeLog();
  const fork = grow(log.fork(), 1, "forked");
  const cut = grow(log.fork(), 0);
  grow(log, 3);
  expect((await post(await ask(log, 0))).status).toBe(200);
  const sameSize = grow(fork, 2, "forked");
  expect(await post(await ask(sameSize, 8, []))).toMatchObject({ status: 409, text: "8\n" });
  grow(fork, 10, "forked");
  expect((await post(await ask(fork, 8))).status).toBe(422);
  expect((await post(await ask(cut, 5, []))).status).toBe(409);
  expect((await post(await ask(cut, 8))).status).toBe(400);
  const kept = (await entriesOf("witness.refused")).filter(
    ({ record }) => record.detail["log"] === log.key.name,
  );
  expect(kept).toHaveLength(1);
  expect(kept[0]?.record).toMatchObject({
    ...{ status: "denied", code: "CHECKPOINT_INCONSISTENT", detail: { size: 8, seen: 8 } },
  });
  expect(String(kept[0]?.record.detail["note"])).toContain(log.key.name);
  grow(log, 1);
  expect((await post(await ask(log, 8))).status).toBe(200);
});

test("of requests that race from one size, one history wins", async () => {
  const log = takeLog();
  expect((await post(await ask(log, 0))).status).toBe(200);
  const sides = [grow(log.fork(), 5, "left"), grow(log.fork(), 5, "right")];
  const bodies = await Promise.all(
    Array.from({ length: 24 }, (_, index) => ask(sides[index % 2] as SampleLog, 5)),
  );
  const answers = await Promise.all(bodies.map((body) => post(body)));
  const won = answers.flatMap(({ status }, index) => (status === 200 ? [index % 2] : []));
  expect(won).toHaveLength(1);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(23);
});

test("attack 61: a witness that is killed between keeping and answering never cosigns another history", async () => {
  const log = takeLog();
  expect((await post(await ask(log, 0))).status).toBe(200);
  const fork = grow(log.fork(), 3, "forked");
  grow(log, 3);
  await hub.restart();
  // After the restart its key has to be opened, which waits for whoever changes the keys.
  const release = takeLock(join(hub.keysDir, "key-set.lock"));
  if (release === null) throw new Error("expected the lock of the keys");
  const unanswered = post(await ask(log, 5)).catch(() => null);
  const { sql, ...database } = await hub.openDatabase();
  await expect
    .poll(async () => {
      const rows = await sql<{ size: string }[]>`
        select size from witnessed_logs where origin = ${log.key.name}`;
      return rows[0]?.size;
    })
    .toBe("8");
  await database.close();
  await hub.restart(() => release(), "SIGKILL");
  expect(await unanswered).toBe(null);
  expect(await post(await ask(fork, 5))).toMatchObject({ status: 409, text: "8\n" });
  expect((await post(await ask(fork, 8, []))).status).toBe(409);
  const again = await post(await ask(log, 8));
  expect(again.status).toBe(200);
  expect(await isCosigned(log, again)).toBe(true);
}, 120_000);

test("attack 59: a log begins anew only when somebody with the right to the hub's keys says so, and the hub's log keeps what was", async () => {
  const log = takeLog();
  const restored = grow(log.fork(), 0);
  grow(log, 4);
  const root = rootOf(log.frontier).toString("base64");
  expect((await post(await ask(log, 0))).status).toBe(200);
  grow(restored, 2, "after a restore");
  expect((await post(await ask(restored, 0))).status).toBe(409);
  const { name: origin } = log.key;
  const forget = async (key?: string) =>
    await hub.ask("POST", "/audit/forgotten-logs", { origin }, key);
  const auditor = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  expect((await forget(auditor.key)).code).toBe("FORBIDDEN");
  expect((await post(await ask(restored, 0))).status).toBe(409);
  expect((await forget()).answer).toEqual({ origin, size: 9, root });
  const told = (await entriesOf("witness.forgot")).filter(
    ({ record }) => record.detail["log"] === origin,
  );
  expect(told.map(({ record }) => record.detail)).toEqual([{ log: origin, size: 9, root }]);
  expect((await forget()).code).toBe("NOT_FOUND");
  const anew = await post(await ask(restored, 0));
  expect(await isCosigned(restored, anew)).toBe(true);
  expect((await post(await ask(log, 7, []))).status).not.toBe(200);
});

test("attack 40: one address is slowed down before its body is read, and another is not", async () => {
  const log = takeLog();
  const body = await ask(log, 0);
  const statuses: number[] = [];
  for (let index = 0; index < 60; index++) {
    statuses.push((await post(body, "198.51.100.7")).status);
  }
  expect(statuses.slice(0, 30)).not.toContain(429);
  expect(statuses.at(-1)).toBe(429);
  expect((await post(body)).status).toBe(409);
});

test("the list is a live setting, and a key that is none changes nothing", async () => {
  const log = grow(createSampleLog("log.example/late"), 3);
  expect((await post(await ask(log, 0))).status).toBe(404);
  const added = [...vkeys, formatNoteKey(log.key)];
  expect(await hub.reload({ witnessFor: added })).toContain("taken over: witnessFor");
  expect((await post(await ask(log, 0))).status).toBe(200);
  expect(await hub.reload({ witnessFor: ["log.example/bad+00000000+AAAA"] })).toContain(
    "CONFIG_INVALID: witnessFor: log key: expected",
  );
});

test("the key of the witness is a file of the hub's user, and stays over restarts", async () => {
  const before = formatNoteKey(await witnessKey(), "cosignature");
  const path = join(hub.keysDir, "witness-key.pem");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await hub.restart();
  expect(formatNoteKey(await witnessKey(), "cosignature")).toBe(before);
  await hub.restart(() => rmSync(path));
  expect(formatNoteKey(await witnessKey(), "cosignature")).not.toBe(before);
}, 120_000);
