import type { AuditEntry, AuditRecord } from "@sonde/schemas/audit";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";
import { expect, test } from "vitest";
import { buildClosedAuditLog, createAuditLog } from "./audit-log.ts";
import { SondeError } from "@sonde/schemas/errors";

const record: AuditRecord = {
  at: "2026-01-01T00:00:00.000Z",
  event: "call.request",
  callId: null,
  principal: null,
  agent: null,
  probe: null,
  packDigest: null,
  status: "info",
  code: null,
  durationMs: null,
  detail: {},
};

/**
 * A fake disk: records what was written, and lets the test decide when a sync succeeds or
 * fails.
 */
function buildDisk() {
  const entries: AuditEntry[] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  return {
    entries,
    syncs,
    full: false,
    write(entry: AuditEntry) {
      if (this.full) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      entries.push(entry);
    },
    sync() {
      const pending = Promise.withResolvers<void>();
      syncs.push(pending);
      return pending.promise;
    },
  };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test("append resolves only after the sync that covers it, and callers share syncs", async () => {
  const disk = buildDisk();
  const log = createAuditLog(disk, EMPTY_HEAD);
  const done: number[] = [];
  const append = async () => done.push((await log.append(record)).size);

  void append();
  await settle();
  void append();
  void append();
  await settle();
  expect(disk.entries).toHaveLength(3);
  expect(done).toEqual([]);
  expect(log.head()).toEqual(EMPTY_HEAD);

  disk.syncs[0]?.resolve();
  await settle();
  expect(done).toEqual([1]);
  disk.syncs[1]?.resolve();
  await settle();
  expect(done).toEqual([1, 2, 3]);
  expect(disk.syncs).toHaveLength(2);
  expect(verifyChain(disk.entries)).toEqual(log.head());
});

test("on a full disk an entry is refused; the chain continues when there is space again", () => {
  const disk = buildDisk();
  const log = createAuditLog(disk, EMPTY_HEAD);
  log.note(record);
  disk.full = true;
  expect(() => log.note(record)).toThrowError(
    expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }),
  );
  disk.full = false;
  expect(log.note(record).size).toBe(2);
  expect(verifyChain(disk.entries).size).toBe(2);
});

test("after a failed sync no entry is acknowledged or accepted", async () => {
  const disk = buildDisk();
  const log = createAuditLog(disk, EMPTY_HEAD);
  const first = log.append(record);
  await settle();
  const second = log.append(record);
  disk.syncs[0]?.reject(Object.assign(new Error("io"), { code: "EIO" }));
  expect(await Promise.allSettled([first, second])).toMatchObject([
    { status: "rejected", reason: { code: "AUDIT_UNAVAILABLE" } },
    { status: "rejected", reason: { code: "AUDIT_UNAVAILABLE" } },
  ]);
  expect(() => log.note(record)).toThrowError(
    expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }),
  );
  expect(log.unavailable()?.code).toBe("AUDIT_UNAVAILABLE");
});

test("after a failed sync nothing counts as durable, and the disk is not asked again", async () => {
  const disk = buildDisk();
  const log = createAuditLog(disk, EMPTY_HEAD);
  log.note(record);
  const first = log.flush();
  disk.syncs[0]?.reject(Object.assign(new Error("io"), { code: "EIO" }));
  await expect(first).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
  await expect(log.flush()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
  expect(disk.syncs).toHaveLength(1);
});

test("a log that could not be opened refuses every entry with its reason", async () => {
  const log = buildClosedAuditLog(new SondeError("AUDIT_UNAVAILABLE", "broken"), EMPTY_HEAD);
  expect(() => log.note(record)).toThrowError(
    expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }),
  );
  await expect(log.append(record)).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
});
