import { chmodSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createFileMemo, type FileMemo } from "./file-memo.ts";
import { stateFile } from "./state-file.ts";

let folder: string;
let file: string;
let computed: number;
let memo: FileMemo;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-memo-"));
  file = join(folder, "node");
  writeFileSync(file, "first");
  setTime();
  computed = 0;
  // A minute later, so that the file is settled.
  memo = createFileMemo(() => Date.now() + 60_000);
});
afterEach(() => rmSync(folder, { recursive: true }));

const ask = (one = memo) => one.of("it", [file], () => Promise.resolve(++computed));

test("nothing is computed again while the file is the same", async () => {
  expect([await ask(), await ask(), await ask()]).toEqual([1, 1, 1]);
});

test.each([
  ["bytes", () => writeFileSync(file, "second")],
  ["bytes of the same length and time", () => writeSameTime("other")],
  ["mode", () => chmodSync(file, 0o600)],
  ["absence", () => rmSync(file)],
])("other %s are seen", async (_what, change) => {
  await ask();
  change();
  expect(await ask()).toBe(2);
});

function writeSameTime(text: string): void {
  writeFileSync(file, text);
  setTime();
}

function setTime(): void {
  const then = new Date("2026-01-01T00:00:00Z");
  utimesSync(file, then, then);
}

test("a file that was just written is read again, since its times are too coarse", async () => {
  const young = createFileMemo(Date.now);
  expect([await ask(young), await ask(young)]).toEqual([1, 2]);
});

test("what nobody asks for any more is forgotten", async () => {
  await ask();
  memo.forgetUnused();
  memo.forgetUnused();
  expect(await ask()).toBe(2);
});

test("a fifo, a folder and a link to a device are stated without a digest, and block nothing", async () => {
  const fifo = join(folder, "fifo");
  spawnSync("mkfifo", [fifo]);
  const device = join(folder, "device");
  symlinkSync("/dev/zero", device);
  for (const path of [fifo, folder, device]) {
    expect(await stateFile(memo, "unit", path)).toMatchObject({ sha256: null });
  }
  expect(await stateFile(memo, "unit", join(folder, "none"))).toBeNull();
});
