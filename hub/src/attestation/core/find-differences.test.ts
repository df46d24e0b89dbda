import { createHash } from "node:crypto";
import { describeRunnerGroups, RUNNER_NETWORK_DROP_IN } from "@sonde/schemas/agent";
import { buildProcess, buildStatement } from "@sonde/schemas/testing";
import type { AgentStatement, ProcessRights } from "@sonde/schemas/wire";
import { expect, test } from "vitest";
import { findDifferences, type Known } from "./find-differences.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"b".repeat(64)}`;
const RELEASED = `sha256:${"c".repeat(64)}`;
const AGENT = "/usr/lib/sonde-agent/agent.js";
const NODE = "/usr/lib/sonde-agent/node";

const known = (change: Partial<Known> = {}): Known => ({
  ordered: [],
  isVerified: () => false,
  isGivenHere: () => false,
  orderedGroups: [],
  ordersHosts: false,
  isKnownFile: (sha256) => sha256 === RELEASED,
  ...change,
});
const find = (stated: AgentStatement, change: Partial<Known> = {}, approved = buildStatement()) =>
  findDifferences(approved, stated, known(change)).map(({ what, drift }) => `${drift} ${what}`);
const withFile = (path: string, sha256: string | null, seen?: string): AgentStatement["files"] =>
  buildStatement().files.map((file) =>
    file.path === path ? { ...file, sha256, ...(seen !== undefined && { seen }) } : file,
  );
const asAgent = (rights: Partial<ProcessRights>) =>
  buildStatement({ processes: [buildProcess("agent", rights)] });

// Attack 23.
test.each<[string, AgentStatement]>([
  ["expected operating system", buildStatement({ os: "Debian 13" })],
  ["expected kernel", buildStatement({ kernel: "6.1" })],
  ["expected security modules", buildStatement({ lsm: "apparmor" })],
  ["expected runtime version", buildStatement({ runtimeVersion: "v24.0.1" })],
  ["review name", buildStatement({ name: "web-2" })],
  ["review architecture", buildStatement({ arch: "arm64" })],
  ["review Secure Boot", buildStatement({ secureBoot: "off" })],
  ["review TPM", buildStatement({ tpm: "2" })],
  ["review ceiling", buildStatement({ maxCapability: "manage" })],
  ["review configuration in use", buildStatement({ configSha256: OTHER })],
  ["review program in use", buildStatement({ programSha256: OTHER })],
  ["expected program in use", buildStatement({ programSha256: RELEASED })],
  [`review program ${AGENT}`, buildStatement({ files: withFile(AGENT, OTHER) })],
  [`expected program ${AGENT}`, buildStatement({ files: withFile(AGENT, RELEASED) })],
  [
    "review configuration /etc/sonde-agent/agent.json",
    buildStatement({ files: withFile("/etc/sonde-agent/agent.json", OTHER) }),
  ],
  [
    "review trust /etc/sonde-agent/trust.json",
    buildStatement({ files: withFile("/etc/sonde-agent/trust.json", OTHER) }),
  ],
  [`review runtime ${NODE}`, buildStatement({ files: withFile(NODE, OTHER) })],
  [`review runtime ${NODE}`, buildStatement({ files: withFile(NODE, null, "size 2") })],
  [
    "review unit /etc/systemd/system/sonde-agent.service.d/x.conf",
    buildStatement({
      files: [
        ...buildStatement().files,
        {
          kind: "unit",
          path: "/etc/systemd/system/sonde-agent.service.d/x.conf",
          sha256: OTHER,
        },
      ],
    }),
  ],
  ["review rights of agent", asAgent({ uids: [0, 0, 0, 0] })],
  ["review rights of agent", asAgent({ groups: [4] })],
  ["review rights of agent", asAgent({ noNewPrivs: false })],
  ["review rights of agent", asAgent({ seccomp: 0 })],
  [
    "review rights of agent",
    asAgent({
      capabilities: { ...buildProcess("agent").rights.capabilities, effective: "0000000000000002" },
    }),
  ],
  ["review rights of agent", buildStatement({ processes: [] })],
])("%s", (difference, stated) => {
  expect(find(stated)).toEqual([difference]);
});

test("the drop-in that approve writes for an ordered pack is expected, and no other", () => {
  const path = "/etc/systemd/system/sonde-runner@docker.service.d/groups.conf";
  const text = describeRunnerGroups(["docker"]);
  const sha256 = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  const given = buildStatement({
    files: [...buildStatement().files, { kind: "unit", path, sha256 }],
  });
  expect(find(given, { orderedGroups: [["docker"]] })).toEqual([`expected unit ${path}`]);
  expect(find(given, { orderedGroups: [["adm"]] })).toEqual([`review unit ${path}`]);
});

test("the drop-in that lets a runner reach other hosts is expected when an ordered pack asks for some", () => {
  const path = "/etc/systemd/system/sonde-runner@no-groups.network.service.d/network.conf";
  const sha256 = `sha256:${createHash("sha256").update(RUNNER_NETWORK_DROP_IN).digest("hex")}`;
  const given = buildStatement({
    files: [...buildStatement().files, { kind: "unit", path, sha256 }],
  });
  expect(find(given, { ordersHosts: true })).toEqual([`expected unit ${path}`]);
  expect(find(given)).toEqual([`review unit ${path}`]);
});

test("programs in another folder are the same programs, and one that a release dropped is of it", () => {
  const moved = buildStatement().files.map((file) => ({
    ...file,
    path: file.path.replace("/usr/lib/sonde-agent/", "/srv/runtime/2/"),
  }));
  expect(find(buildStatement({ files: moved }))).toEqual([]);
  const old = { kind: "program", path: "/usr/lib/sonde-agent/old.js", sha256: DIGEST };
  const before = buildStatement({ files: [...buildStatement().files, old] });
  expect(find(buildStatement(), {}, before)).toEqual([`review program ${old.path}`]);
  expect(find(buildStatement({ programSha256: RELEASED }), {}, before)).toEqual([
    "expected program in use",
    `expected program ${old.path}`,
  ]);
  const unit = { ...old, kind: "unit", path: "/etc/systemd/system/sonde-agent.service" };
  const guarded = buildStatement({ files: [...buildStatement().files, unit] });
  expect(find(buildStatement({ programSha256: RELEASED }), {}, guarded)).toContain(
    `review unit ${unit.path}`,
  );
});

test("a file that cannot be read is compared by what was seen of it", () => {
  const seen = (text: string) => buildStatement({ files: withFile(NODE, null, text) });
  expect(find(seen("size 1"), {}, seen("size 1"))).toEqual([]);
  expect(find(seen("size 2"), {}, seen("size 1"))).toEqual([`review runtime ${NODE}`]);
});

test("a restart of the machine, and a runner that ended, are no drift", () => {
  expect(find(buildStatement({ bootId: "another", processes: [buildProcess("agent")] }))).toEqual(
    [],
  );
});

test("an upgrade by a release that the hub knows is expected as a whole", () => {
  const upgraded = buildStatement({
    ...{ agentVersion: "0.2.0", runtimeVersion: "v24.1.0", programSha256: RELEASED },
    files: [
      ...withFile(AGENT, RELEASED).map((file) =>
        file.kind === "runtime" ? { ...file, sha256: OTHER } : file,
      ),
      {
        kind: "unit",
        path: "/usr/lib/systemd/system/sonde-agent.service",
        sha256: RELEASED,
      },
    ],
  });
  expect(find(upgraded).every((difference) => difference.startsWith("expected "))).toBe(true);
  const other = { ...upgraded, files: withFile(AGENT, OTHER) };
  expect(find(other)).toContain("review agent version");
});

const hello = { name: "acme/hello", version: "1.0.0", digest: DIGEST };
const packed = (change: object = {}): AgentStatement =>
  buildStatement({ packs: [{ ...hello, verified: OTHER, content: OTHER, ...change }] });

test("a pack that the hub ordered and verified is no drift, nor an older one that still serves", () => {
  const isVerified = () => true;
  expect(find(packed(), { ordered: [hello], isVerified })).toEqual([]);
  expect(find(packed(), { ordered: [{ ...hello, digest: OTHER }], isVerified })).toEqual([]);
  expect(find(packed(), { ordered: [hello] })).toEqual(["review pack acme/hello 1.0.0"]);
  expect(find(packed(), { isVerified })).toEqual(["review pack acme/hello 1.0.0"]);
  expect(find(packed(), {}, packed())).toEqual([]);
});

// Attack 23.
test.each([{ content: null }, { content: DIGEST }, { verified: null, content: null }])(
  "files on disk that are not those that were verified are drift: %j",
  (change) => {
    const ordered = { ordered: [hello], isVerified: () => true };
    expect(find(packed(change), ordered, packed(change))).toEqual(["review pack acme/hello 1.0.0"]);
  },
);

test("a grant for exactly the archive that the hub ordered is no drift, any other is", () => {
  const grants = (sha256 = DIGEST) =>
    buildStatement({ grants: [{ pack: hello.name, digest: DIGEST, sha256 }] });
  expect(find(grants(), { ordered: [hello] })).toEqual([]);
  expect(find(grants(), { ordered: [{ ...hello, digest: OTHER }] })).toEqual([
    "review grant acme/hello",
  ]);
  expect(find(grants())).toEqual(["review grant acme/hello"]);
  expect(find(grants(), {}, grants())).toEqual([]);
  expect(find(grants(OTHER), {}, grants())).toEqual(["review grant acme/hello"]);
  // What is gone takes rights away.
  expect(find(buildStatement(), {}, grants())).toEqual([]);
});

const asRunner = (groupNames: string[], rights: Partial<ProcessRights> = {}) =>
  buildStatement({
    processes: [buildProcess("agent"), { ...buildProcess("runner", rights), groupNames }],
  });
const alone = buildStatement({ processes: [buildProcess("agent")] });

test("a runner that the approved statement does not have may have what an ordered pack needs, and no more", () => {
  const orderedGroups = [["docker"]];
  expect(find(asRunner([]), {}, alone)).toEqual([]);
  expect(find(asRunner(["docker"]), { orderedGroups }, alone)).toEqual([]);
  expect(find(asRunner(["docker"]), {}, alone)).toEqual(["review rights of runner in docker"]);
  expect(find(asRunner(["adm", "docker"]), { orderedGroups }, alone)).toEqual([
    "review rights of runner in adm+docker",
  ]);
});

test.each<Partial<ProcessRights>>([
  { uids: [0, 0, 0, 0] },
  { gids: [7, 0, 7, 7] },
  { groups: [0] },
  { noNewPrivs: false },
  {
    capabilities: {
      ...buildProcess("runner").rights.capabilities,
      inheritable: "0000000000000002",
    },
  },
])("a new runner with %j is drift", (rights) => {
  expect(find(asRunner([], rights), {}, alone)).toEqual(["review rights of runner"]);
});

test("a runner that the approved statement has must be the same", () => {
  expect(find(asRunner([], { uids: [9, 9, 9, 9] }))).toEqual(["review rights of runner"]);
});

test("a grant of the hub is drift to review, unless a person gave it at this hub", () => {
  const at = "2026-01-01T00:00:00.000Z";
  const given = { pack: "acme/hello", digest: DIGEST, by: "Ada at the hub (person:ada)", at };
  const stated = buildStatement({ hubGrants: [given] });
  expect(find(stated)).toEqual(["review grant of the hub acme/hello"]);
  expect(find(stated, { isGivenHere: ({ digest }) => digest === DIGEST })).toEqual([]);
});
