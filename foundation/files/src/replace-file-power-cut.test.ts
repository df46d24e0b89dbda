import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { replaceFile } from "./replace-file.ts";

const DISK_BYTES = 16 * 2 ** 20;

/** Runs a program that needs root. @returns whether it worked */
const works = (command: string, ...args: string[]) => spawnSync(command, args).status === 0;

let lab: string;
const at = (name: string) => join(lab, name);
/** False where this test may not mount. */
let isMounted: boolean;
beforeEach(() => {
  lab = mkdtempSync(join(tmpdir(), "sonde-power-"));
  for (const name of ["mounted", "after"]) mkdirSync(at(name));
  writeFileSync(at("disk"), "");
  truncateSync(at("disk"), DISK_BYTES);
  isMounted =
    works("mkfs.ext4", "-q", at("disk")) && works("mount", "-o", "loop", at("disk"), at("mounted"));
});
afterEach(() => {
  for (const name of ["mounted", "after"]) spawnSync("umount", ["--lazy", at(name)]);
  rmSync(lab, { recursive: true, force: true });
});

/** What a file has after a power cut now: the rest is in the kernel's memory. */
function readAfterCut(name: string): string {
  copyFileSync(at("disk"), at("cut"));
  expect(works("mount", "-o", "loop", at("cut"), at("after"))).toBe(true);
  return readFileSync(join(at("after"), name), "utf8");
}

test("a new file is on the disk when it is written, with its content", () => {
  if (!isMounted) return;
  replaceFile(join(at("mounted"), "new"), "whole");
  expect(readAfterCut("new")).toBe("whole");
});

test("a replaced file is the new one on the disk", () => {
  if (!isMounted) return;
  const path = join(at("mounted"), "file");
  replaceFile(path, "old");
  replaceFile(path, "new");
  expect(readAfterCut("file")).toBe("new");
});
