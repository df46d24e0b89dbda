import {
  chmodSync,
  chownSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GrantFile } from "@sonde/schemas/agent";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readGrants } from "./read-grants.ts";

let folder: string;
let owners: number[];

const grant: GrantFile = {
  pack: "acme/hello",
  digest: `sha256:${"a".repeat(64)}`,
  requires: { groups: [], commands: [], files: ["/proc/loadavg"], sockets: [] },
  approvedBy: "root",
  approvedAt: "2026-01-01T00:00:00.000Z",
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-grants-"));
  chmodSync(folder, 0o755);
  owners = [statSync(folder).uid];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, value: unknown, mode = 0o644): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(value));
  chmodSync(path, mode);
  return path;
}

test("a grant that only a trusted owner could write counts", () => {
  put("acme--hello.json", grant);
  const { byPack, refused } = readGrants(folder, owners);
  expect([...byPack.values()]).toEqual([grant]);
  expect(refused).toEqual([]);
});

test.each([
  ["writable by its group", () => put("acme--hello.json", grant, 0o664)],
  ["writable by others", () => put("acme--hello.json", grant, 0o646)],
  ["under another pack's name", () => put("acme--other.json", grant)],
  ["of another shape", () => put("acme--hello.json", { ...grant, extra: 1 })],
  ["a link", () => symlinkSync(put("elsewhere", grant), join(folder, "acme--hello.json"))],
  ["too large", () => put("acme--hello.json", { ...grant, approvedBy: "x".repeat(300_000) })],
  [
    "with a member twice (attack 8)",
    () => {
      const text = JSON.stringify(grant).replace("{", '{"digest":"",');
      writeFileSync(join(folder, "acme--hello.json"), text, { mode: 0o644 });
    },
  ],
  ["not JSON", () => writeFileSync(join(folder, "acme--hello.json"), "{")],
])("a grant that is %s is ignored and reported", (_, make) => {
  make();
  const good = { ...grant, pack: "acme/good" };
  put("acme--good.json", good);
  const { byPack, refused, whyRefused } = readGrants(folder, owners);
  expect([...byPack.keys()]).toEqual(["acme/good"]);
  expect(refused).toHaveLength(1);
  expect([whyRefused("acme/good"), whyRefused("acme/unheard-of")]).toEqual([null, null]);
});

test("a grant of another owner is ignored", () => {
  put("acme--hello.json", grant);
  const nobody = [4_000_000_000];
  expect(readGrants(folder, nobody).byPack.size).toBe(0);
  // Only root can change a file's owner. For another user the line above is the whole test.
  if (process.getuid?.() !== 0) return;
  chownSync(join(folder, "acme--hello.json"), 65534, 65534);
  expect(readGrants(folder, owners).byPack.size).toBe(0);
});

test("a folder that others can write to, or that is absent, holds no grants", () => {
  put("acme--hello.json", grant);
  chmodSync(folder, 0o777);
  const open = readGrants(folder, owners);
  expect(open.byPack.size).toBe(0);
  expect(open.refused).toHaveLength(1);
  expect(open.whyRefused("acme/hello")).toBe(open.refused[0]?.reason);
  expect(readGrants(join(folder, "absent"), owners).refused).toHaveLength(1);
});

test("a pack stays revoked by a file that only a trusted owner can make", () => {
  put("acme--hello.revoked", { pack: "acme/hello" });
  put("acme--other.revoked", "whatever it says");
  expect([...readGrants(folder, owners).revoked].toSorted()).toEqual(["acme/hello", "acme/other"]);
  // A folder that others may write to says nothing, and then no grant counts.
  chmodSync(folder, 0o777);
  const open = readGrants(folder, owners);
  expect([open.revoked.size, open.whyRefused("acme/hello") === null]).toEqual([0, false]);
});
