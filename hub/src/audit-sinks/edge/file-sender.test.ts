import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAuditEntry } from "@sonde/schemas/audit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildSampleBatch } from "../../testing/sample-batch.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { createFileSender } from "./file-sender.ts";

let folder: string;
let path: string;
let sender: SinkSender;
const never = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-file-sink-"));
  path = join(folder, "audit.jsonl");
  sender = open();
});
afterEach(() => {
  sender.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = () => createFileSender({ name: "test", kind: "file", path });
const send = (from: number, to = from) => sender.send(buildSampleBatch(from, to), never);
/** The numbers of the entries of a file, each of which is a whole line. */
const seqsOf = (file: string) =>
  readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => parseAuditEntry(JSON.parse(line)).seq);

test("entries are lines of a file that nobody else can read", async () => {
  await send(1, 3);
  await send(4);
  expect(seqsOf(path)).toEqual([1, 2, 3, 4]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a file that was renamed away is left alone, and a new one is begun", async () => {
  await send(1);
  renameSync(path, `${path}.1`);
  await send(2);
  await send(3);
  expect([seqsOf(`${path}.1`), seqsOf(path)]).toEqual([[1], [2, 3]]);
  // With `create`, logrotate has made the new file itself.
  renameSync(path, `${path}.2`);
  writeFileSync(path, "", { mode: 0o600 });
  await send(4);
  expect([seqsOf(`${path}.2`), seqsOf(path)]).toEqual([[2, 3], [4]]);
});

test("a file that was emptied in its place is filled from its start", async () => {
  await send(1);
  writeFileSync(path, "");
  await send(2);
  expect(seqsOf(path)).toEqual([2]);
});

test.each([1, 40, 100_000])(
  "a line of %d bytes that a crash tore is removed at the next start",
  async (size) => {
    await send(1, 2);
    appendFileSync(path, `{"seq":3${"x".repeat(size)}`);
    sender.close();
    sender = open();
    await send(3);
    expect(seqsOf(path)).toEqual([1, 2, 3]);
  },
);

test("a file that is nothing but a torn line is emptied", async () => {
  writeFileSync(path, '{"seq":', { mode: 0o600 });
  await send(1);
  expect(seqsOf(path)).toEqual([1]);
});

test("a link, a folder, and a file with rights for others are not written", async () => {
  const other = join(folder, "other");
  writeFileSync(other, "", { mode: 0o600 });
  symlinkSync(other, path);
  await expect(send(1)).rejects.toMatchObject({
    ...{ code: "SINK_WRITE_FAILED", message: `${path}: expected to append, got ELOOP` },
  });
  rmSync(path);
  mkdirSync(path);
  await expect(send(1)).rejects.toMatchObject({ code: "SINK_WRITE_FAILED" });
  rmSync(path, { recursive: true });
  writeFileSync(path, "", { mode: 0o600 });
  chmodSync(path, 0o604);
  await expect(send(1)).rejects.toMatchObject({ code: "SINK_WRITE_FAILED" });
  chmodSync(path, 0o640);
  await send(1);
  expect([readFileSync(other, "utf8"), seqsOf(path)]).toEqual(["", [1]]);
});

test("a disk that is full is a failure, and nothing of the batch is left half", async () => {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  // Mounting needs root.
  if (mount.status !== 0) return;
  path = join(disk, "audit.jsonl");
  sender = open();
  try {
    await send(1, 50);
    const filler = join(disk, "filler");
    writeFileSync(filler, Buffer.alloc(30_000));
    await expect(send(51, 150)).rejects.toMatchObject({
      ...{ code: "SINK_WRITE_FAILED", message: `${path}: expected to append, got ENOSPC` },
    });
    sender.close();
    rmSync(filler);
    // What was written of the batch comes once more, and every line is whole.
    sender = open();
    await send(51, 60);
    const seqs = seqsOf(path);
    expect(seqs.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    expect(seqs.slice(-10)).toEqual(Array.from({ length: 10 }, (_, index) => index + 51));
  } finally {
    sender.close();
    spawnSync("umount", ["-l", disk]);
  }
});
