import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeDataFolder, writePrivateFile } from "./private-file.ts";

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "sonde-private-"))));
afterEach(() => rmSync(folder, { recursive: true }));
const refusal = expect.objectContaining({ code: "RIGHT_MISSING" });

test("a file is replaced whole, and is this user's alone", () => {
  const path = join(folder, "key");
  writePrivateFile(path, "one");
  writePrivateFile(path, "two");
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["key"]);
});

test("a file or folder that cannot be written gives RIGHT_MISSING", () => {
  expect(() => writePrivateFile(join(folder, "none/key"), "x")).toThrow(refusal);
  writeFileSync(join(folder, "file"), "");
  expect(() => makeDataFolder(join(folder, "file/data"))).toThrow(refusal);
  makeDataFolder(join(folder, "a/b"));
  makeDataFolder(join(folder, "a/b"));
  expect(statSync(join(folder, "a/b")).mode & 0o007).toBe(0);
});
