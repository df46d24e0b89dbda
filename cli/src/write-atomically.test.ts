import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startSampleRegistry } from "@sonde/trust/testing";
import { afterAll, beforeEach, expect, test } from "vitest";
import { exportRegistry } from "./operator/export-registry.ts";
import { writeAtomically } from "./write-atomically.ts";

// Attack class 51: another user of a shared folder puts a link at the temporary file's path.

const folder = realpathSync(mkdtempSync(join(tmpdir(), "sonde-atomically-")));
const path = join(folder, "file");
const victim = join(folder, "victim");
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  writeFileSync(victim, "untouched");
  symlinkSync(victim, `${path}.new`);
});

test("a text is not written through a link", () => {
  writeAtomically(path, "text");
  expect([readFileSync(path, "utf8"), readFileSync(victim, "utf8")]).toEqual(["text", "untouched"]);
  expect(existsSync(`${path}.new`)).toBe(false);
});

test("an export is not written through a link", async () => {
  const registry = await startSampleRegistry();
  const source = { registry: registry.url, logKey: registry.logKey };
  const request = { source, trustedRoot: null, since: 0, to: path, onVersion: () => undefined };
  await exportRegistry(request);
  await registry.close();
  expect(readFileSync(victim, "utf8")).toBe("untouched");
  expect(existsSync(`${path}.new`)).toBe(false);
});
