import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chainRecord, headAfter } from "@sonde/trust/chain";
import type { LogHead } from "@sonde/schemas/wire";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAuditLog } from "../../core/audit-log.ts";
import { buildRecord } from "../../testing/audit-record.ts";
import { openAuditSegments } from "./audit-segments.ts";

const DAY_MS = 24 * 60 * 60_000;
const LIMITS = { bytes: 16 * 1024, ms: 40 * DAY_MS };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-audit-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function newestSegment(): string {
  const name = readdirSync(folder)
    .filter((entry) => entry.endsWith(".jsonl"))
    .sort()
    .at(-1);
  return join(folder, name as string);
}

async function fill(count: number): Promise<LogHead> {
  const segments = openAuditSegments(folder, LIMITS);
  let head = segments.head;
  for (let index = 0; index < count; index++) {
    const entry = chainRecord(head, buildRecord(index));
    segments.write(entry);
    head = headAfter(entry);
  }
  await segments.sync();
  await segments.close();
  return head;
}

async function reopen(): Promise<{ head: LogHead; trimmedBytes: number }> {
  const segments = openAuditSegments(folder, LIMITS);
  const { head, trimmedBytes } = segments;
  await segments.close();
  return { head, trimmedBytes };
}

test("entries are read wherever the parts of the file that are read at once end", async () => {
  const segments = openAuditSegments(folder, { ...LIMITS, bytes: 1024 * 1024 });
  let head = segments.head;
  for (const length of [65_000, 100, 300_000, 1, 63_000, 64_000]) {
    const detail = { text: "\u00e9".repeat(length / 2) };
    const entry = chainRecord(head, { ...buildRecord(length), detail });
    segments.write(entry);
    head = headAfter(entry);
  }
  await segments.close();
  expect((await reopen()).head).toEqual(head);
});

test("a log spans segments and reopens at its last entry", async () => {
  const head = await fill(200);
  expect(readdirSync(folder).filter((name) => name.endsWith(".jsonl")).length).toBeGreaterThan(2);
  expect(await reopen()).toEqual({ head, trimmedBytes: 0 });
  expect((await fill(1)).size).toBe(201);
});

test("attack 62: a torn last line is cut, whole entries stay", async () => {
  const head = await fill(5);
  appendFileSync(newestSegment(), '{"seq":6,"previous":"sha256:00');
  expect(await reopen()).toEqual({ head, trimmedBytes: 30 });
  appendFileSync(newestSegment(), Buffer.from(`{"seq":6,"pre${"\0".repeat(20)}"}\n`));
  expect((await reopen()).head).toEqual(head);
});

test("attack 59: a complete last line that breaks the chain is refused, not cut", async () => {
  await fill(5);
  appendFileSync(newestSegment(), '{"seq":6}\n');
  await expect(reopen()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
});

test("attack 59: an edited entry and a missing segment are refused", async () => {
  await fill(200);
  const path = newestSegment();
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace('"index":', '"index": '));
  expect((await reopen()).head.size).toBe(200);
  writeFileSync(path, text.replace('"key:test"', '"key:best"'));
  await expect(reopen()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
  writeFileSync(path, text);
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort();
  rmSync(join(folder, names.at(-2) as string));
  await expect(reopen()).rejects.toMatchObject({ code: "AUDIT_UNAVAILABLE" });
});

test("a second process cannot write the same log", async () => {
  const segments = openAuditSegments(folder, LIMITS);
  const child = startWriter(folder);
  const [code] = (await once(child, "exit")) as [number];
  expect(code).not.toBe(0);
  expect(() => openAuditSegments(folder, LIMITS)).toThrowError(
    expect.objectContaining({ code: "STARTING_FAILED" }),
  );
  await segments.close();
  expect((await reopen()).head.size).toBe(0);
});

test("kill -9 while appending keeps every acknowledged entry", async () => {
  let acknowledged = 0;
  for (const count of [1, 6, 15]) {
    const child = startWriter(folder);
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      if (line !== "open") acknowledged = Math.max(acknowledged, Number(line));
    });
    for (let seen = 0; seen <= count; seen += 1) await once(lines, "line");
    child.kill("SIGKILL");
    await once(child, "close");
    expect((await reopen()).head.size).toBeGreaterThanOrEqual(acknowledged);
  }
  expect(acknowledged).toBeGreaterThan(8);
});

test("a full disk refuses entries, keeps the chain whole and recovers with space", async () => {
  const disk = mkdtempSync(join(tmpdir(), "sonde-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=32k", "tmpfs", disk]).status === 0;
  // Without the right to mount, a growing file cannot get ENOSPC. A file size limit gives
  // EFBIG instead.
  if (!mounted) return expectFileLimitRefusal();
  try {
    const segments = openAuditSegments(join(disk, "audit"), { ...LIMITS, bytes: 1024 * 1024 });
    const log = createAuditLog(segments, segments.head);
    const ballast = join(disk, "ballast");
    writeFileSync(ballast, Buffer.alloc(8 * 1024));
    let whole = 0;
    const writeUntilFull = () => {
      for (;;) whole = log.note(buildRecord(whole)).size;
    };
    expect(writeUntilFull).toThrowError(expect.objectContaining({ code: "AUDIT_UNAVAILABLE" }));
    expect(whole).toBeGreaterThan(5);
    truncateSync(ballast, 0);
    expect((await log.append(buildRecord(whole))).size).toBe(whole + 1);
    await segments.close();
    const again = openAuditSegments(join(disk, "audit"), { ...LIMITS, bytes: 1024 * 1024 });
    expect(again.head.size).toBe(whole + 1);
    await again.close();
  } finally {
    spawnSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true, force: true });
  }
});

/**
 * `ulimit -f 8` means 4 KiB (blocks of 512). Writes past it fail with EFBIG, and the
 * process goes on.
 */
async function expectFileLimitRefusal(): Promise<void> {
  const script = 'ulimit -f 8; exec "$0" --conditions=sonde:source "$1" "$2"';
  const writer = join(import.meta.dirname, "../../testing/audit-writer.ts");
  const { status, stderr } = spawnSync("sh", ["-c", script, process.execPath, writer, folder]);
  expect(status).not.toBe(0);
  expect(stderr.toString()).toContain("AUDIT_UNAVAILABLE");
  expect((await reopen()).head.size).toBeGreaterThan(5);
}

function startWriter(target: string) {
  const writer = join(import.meta.dirname, "../../testing/audit-writer.ts");
  return spawn(process.execPath, ["--conditions=sonde:source", writer, target], {
    stdio: ["ignore", "pipe", "ignore"],
  });
}
