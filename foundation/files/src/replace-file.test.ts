import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { replaceFile } from "./replace-file.ts";

let folder: string;
let umask: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-replace-"));
  umask = process.umask(0o077);
});
afterEach(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true });
});

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("a replaced file has the requested mode, whatever the umask", () => {
  const path = join(folder, "file");
  replaceFile(path, "one");
  expect([modeOf(path), readFileSync(path, "utf8")]).toEqual([0o644, "one"]);
  replaceFile(path, "two", 0o600);
  expect([modeOf(path), readFileSync(path, "utf8")]).toEqual([0o600, "two"]);
  expect(readdirSync(folder)).toEqual(["file"]);
});

// Attack class 51: another user of a shared folder puts a link in the file's place.
test("a link in the file's place is replaced, and what it names stays", () => {
  const path = join(folder, "file");
  const victim = join(folder, "victim");
  writeFileSync(victim, "untouched");
  symlinkSync(victim, path);
  replaceFile(path, "text");
  expect([readFileSync(path, "utf8"), readFileSync(victim, "utf8")]).toEqual(["text", "untouched"]);
});

test("a write that fails leaves nothing behind", () => {
  const path = join(folder, "in-use");
  rmSync(path, { force: true });
  symlinkSync(folder, join(folder, "loop"));
  expect(() => replaceFile(join(folder, "none", "file"), "text")).toThrow(/ENOENT/);
  expect(() => replaceFile(folder, "text")).toThrow(/EISDIR|EEXIST|ENOTEMPTY/);
  expect(readdirSync(folder)).toEqual(["loop"]);
});
