import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GrantFile, type PackExplanation, parseGrantFile } from "@sonde/schemas/agent";
import type { ReadWindow } from "@sonde/schemas/manifest";
import { afterEach, beforeEach, expect, test } from "vitest";
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

const requires = { groups: ["adm"], commands: [], files: ["/a", "/b"], sockets: [] };
const window = (of: string): ReadWindow => ({ of, part: "first", bytes: 9 });
const shown: PackExplanation = {
  ...{ name: "acme/hello", version: "1.0.0", digest: `sha256:${"a".repeat(64)}`, requires },
  ...{ signer: { kind: "none", publisher: "acme" }, state: "pending" },
  ...{ reason: null, granted: null, missing: requires, gone: requires },
  ...{ items: [], endpoints: [], windows: [window("file /a"), window("file /b")], wider: [] },
  ...{ probes: [], before: [], hub: { granted: null, mayGrant: [], revoked: false } },
};
const write = (...items: string[]): GrantFile => {
  writeGrant(join(folder, "grants"), shown, { items: new Set(items) }, "root", new Date());
  return parseGrantFile(JSON.parse(readFileSync(join(folder, "grants/acme--hello.json"), "utf8")));
};

test("the agent can read a grant, whatever the umask of the approving person", () => {
  write();
  expect(modeOf(join(folder, "grants"))).toBe(0o755);
  expect(modeOf(join(folder, "grants/acme--hello.json"))).toBe(0o644);
});

test("a grant names what was granted, with how much is read of it, and what was withheld", () => {
  const nothing = { groups: [], commands: [], files: [], sockets: [] };
  expect(write("file /a")).toMatchObject({
    requires: { ...nothing, files: ["/a"] },
    withheld: { ...nothing, groups: ["adm"], files: ["/b"] },
    windows: [window("file /a")],
  });
  expect(write("group adm", "file /a", "file /b")).toEqual({
    ...{ pack: "acme/hello", digest: shown.digest, requires, windows: shown.windows },
    ...{ approvedBy: "root", approvedAt: expect.any(String) },
  });
});
