import { type GrantFile } from "@sonde/schemas/agent";
import { buildSampleManifest } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { explainPack } from "./pack-report.ts";
import type { PackVersion } from "./pack-state.ts";

const digest = `sha256:${"a".repeat(64)}`;
const manifest = buildSampleManifest();
const version: PackVersion = {
  version: manifest.version,
  digest,
  state: "held",
  reason: { code: "READ_NOT_GRANTED", message: "asks for more than was approved" },
  admitted: {
    ...{ name: manifest.name, version: manifest.version, digest, contentDigest: digest },
    ...{ codeSha256: digest, signer: { kind: "none", publisher: "acme" }, manifest },
  },
};
const grant: GrantFile = {
  pack: manifest.name,
  digest: `sha256:${"b".repeat(64)}`,
  requires: { groups: ["adm"], commands: ["uname -a"], files: [], sockets: [] },
  approvedBy: "ada",
  approvedAt: "2026-01-01T00:00:00.000Z",
};
const host = {
  hasRunner: () => true,
  approvalGivesRunner: false,
  hubMayGrant: "none" as const,
  revoked: false,
  ceiling: { maxCapability: "observe" as const, alsoReadOnly: new Set<string>() },
};
const explain = (given: GrantFile | null) => explainPack(version, given, host, "uid 900");

test("what is new and what is gone is told apart against the grant", () => {
  expect(manifest.requires.files.length).toBeGreaterThan(0);
  expect(explain(grant)).toMatchObject({
    reason: { code: "READ_NOT_GRANTED" },
    granted: { by: "ada", at: "2026-01-01T00:00:00.000Z" },
    missing: manifest.requires,
    gone: grant.requires,
  });
});

test("before the first approval everything is new and nothing is gone", () => {
  expect(explain(null)).toMatchObject({
    granted: null,
    missing: manifest.requires,
    gone: { groups: [], commands: [], files: [], sockets: [] },
  });
});

test("the runner that a pack needs comes first, unless the approval makes it", () => {
  const asking = structuredClone(version);
  asking.admitted!.manifest.requires.groups = ["docker"];
  const before = (approvalGivesRunner: boolean) =>
    explainPack(asking, null, { ...host, hasRunner: () => false, approvalGivesRunner }, "uid 900")
      ?.before;
  expect(before(false)).toEqual(["sudo npm start -- --runner-groups docker"]);
  expect(before(true)).toEqual([]);
});
