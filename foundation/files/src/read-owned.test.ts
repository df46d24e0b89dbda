import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readFileBeneath } from "./read-owned.ts";

// Attack 72: what a service's user can put into its own folder in place of a file that root reads.

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const service = isRoot ? NOBODY : (process.getuid?.() ?? 0);
const refused = expect.objectContaining({ code: "CONFIG_INVALID" });
let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sonde-beneath-"));
  folder = join(root, "hub");
  for (const path of [folder, join(folder, "keys"), join(root, "secrets")]) mkdirSync(path);
  writeFileSync(join(folder, "keys/ca.pem"), "theirs", { mode: 0o600 });
  writeFileSync(join(root, "secrets/ca.pem"), "secret", { mode: 0o600 });
  for (const path of ["", "keys", "keys/ca.pem"]) chownSync(join(folder, path), service, service);
});
afterEach(() => rmSync(root, { recursive: true }));

const read = () => readFileBeneath(folder, "keys/ca.pem", [service], 100).toString();

test("a file of the service is read", () => {
  expect(read()).toBe("theirs");
});

test("attack 72: a link in the file's place is not followed", () => {
  rmSync(join(folder, "keys/ca.pem"));
  symlinkSync(join(root, "secrets/ca.pem"), join(folder, "keys/ca.pem"));
  expect(read).toThrow(refused);
});

test("a link in the place of a folder is not followed, even to a folder of the service", () => {
  renameSync(join(folder, "keys"), join(root, "moved"));
  symlinkSync(join(root, "moved"), join(folder, "keys"));
  expect(read).toThrow(refused);
});

test.runIf(isRoot)("a hard link to another's file is refused by its owner", () => {
  rmSync(join(folder, "keys/ca.pem"));
  linkSync(join(root, "secrets/ca.pem"), join(folder, "keys/ca.pem"));
  expect(read).toThrow(refused);
});

test("a pipe, a folder and a file that is too long are refused, and nothing waits for them", () => {
  const path = join(folder, "keys/ca.pem");
  rmSync(path);
  execFileSync("mkfifo", [path]);
  chownSync(path, service, service);
  chmodSync(path, 0o600);
  expect(read).toThrow(refused);
  rmSync(path);
  mkdirSync(path);
  chownSync(path, service, service);
  expect(read).toThrow(refused);
  rmSync(path, { recursive: true });
  writeFileSync(path, "x".repeat(101), { mode: 0o600 });
  chownSync(path, service, service);
  expect(read).toThrow(refused);
});
