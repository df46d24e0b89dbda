import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeAtomically } from "../write-atomically.ts";
import { writeGrant } from "./grant-files.ts";

let folder: string;
let umask: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "grant-files-"));
  umask = process.umask(0o077);
});
afterEach(() => {
  process.umask(umask);
  rmSync(folder, { recursive: true });
});

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("the agent can read a grant, whatever the umask of the approving person", () => {
  const grants = join(folder, "grants");
  const requires = { groups: [], commands: [], files: [], sockets: [] };
  const shown = {
    ...{ name: "acme/hello", version: "1.0.0", digest: `sha256:${"a".repeat(64)}`, requires },
    ...{ signer: { kind: "none" as const, publisher: "acme" }, state: "pending" as const },
    ...{ missing: requires, probes: [], before: [] },
  };
  writeGrant(grants, shown, "root", new Date());
  expect(modeOf(grants)).toBe(0o755);
  expect(modeOf(join(grants, "acme--hello.json"))).toBe(0o644);
});

test("an atomically replaced file has the requested mode, whatever the umask", () => {
  const path = join(folder, "file");
  writeAtomically(path, "one");
  expect([modeOf(path), readFileSync(path, "utf8")]).toEqual([0o644, "one"]);
  writeAtomically(path, "two", 0o600);
  expect([modeOf(path), readFileSync(path, "utf8")]).toEqual([0o600, "two"]);
});
