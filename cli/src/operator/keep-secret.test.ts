import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepSecret } from "./keep-secret.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-secret-"));
  file = join(folder, "key");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a secret is made only when it can be kept, and never in a file that was there", async () => {
  writeFileSync(file, "another's");
  let made = 0;
  const make = () => Promise.resolve(`secret ${++made}`);
  await expect(keepSecret(file, make, String)).rejects.toThrow("expected to create");
  expect([made, readFileSync(file, "utf8")]).toEqual([0, "another's"]);
});

test("a secret goes into the file that was created, not into one that took its place", async () => {
  const moved = join(folder, "moved");
  await keepSecret(
    file,
    () => {
      renameSync(file, moved);
      writeFileSync(file, "", { mode: 0o644 });
      return Promise.resolve("secret");
    },
    String,
  );
  expect(readFileSync(file, "utf8")).toBe("");
  expect([readFileSync(moved, "utf8"), statSync(moved).mode & 0o777]).toEqual(["secret\n", 0o600]);
});

test("what was not made leaves no file", async () => {
  const fail = () => Promise.reject(new Error("refused"));
  await expect(keepSecret(file, fail, String)).rejects.toThrow("refused");
  expect(() => statSync(file)).toThrow("ENOENT");
});
