import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { RELEASE } from "@sonde/schemas/release";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const packageFiles = [
  "schemas",
  "foundation/*",
  "pack-sdk",
  "agent/*",
  "hub",
  "registry",
  "cli",
  "test",
]
  .flatMap((folder) => globSync(`${folder}/package.json`, { cwd: root }))
  .toSorted();

test("the version equals that of package.json, and no other package has a version", () => {
  expect((JSON.parse(read("package.json")) as { version: string }).version).toBe(RELEASE);
  expect(packageFiles.length).toBeGreaterThan(12);
  expect(packageFiles.filter((path) => Object.hasOwn(JSON.parse(read(path)), "version"))).toEqual(
    [],
  );
});

test("the changelog begins with Unreleased, followed by this version", () => {
  const headings = [...read("CHANGELOG.md").matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  expect(headings[0]).toBe("[Unreleased]");
  expect(headings[1]).toMatch(/^\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}$/);
  expect(headings[1]).toContain(`[${RELEASE}]`);
});
