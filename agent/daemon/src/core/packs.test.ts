import { type GrantFile, type HubMayGrant } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { type Manifest, type Requires } from "@sonde/schemas/manifest";
import { type Capability } from "@sonde/schemas/names";
import { type AdmittedPack } from "@sonde/schemas/trust";
import { type HubGrant, MAX_PACKS, parsePackReportBody } from "@sonde/schemas/wire";
import { compileOwnRules, type OwnRules } from "@sonde/scrub";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { buildSampleManifest } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { type ActivePack, requireProbe } from "./active-pack.ts";
import { fitsGroups } from "./fits-groups.ts";
import { buildPackReports } from "./pack-report.ts";
import { Packs, type PacksPorts } from "./packs.ts";
import type { AgentEvent } from "./record-event.ts";

const NAME = "acme/hello";
const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`;
const file = (path: string) => ({ kind: "file", path, timeoutMs: 500, maxBytes: 99 }) as const;
const needs = (files: string[], groups: string[] = []): Requires => ({
  groups,
  commands: [],
  files,
  sockets: [],
});

function buildManifest(version: string, files: string[], groups: string[] = []): Manifest {
  const sample = buildSampleManifest({ version, requires: needs(files, groups) });
  const [probe] = Object.values(sample.probes);
  const named = files.map((path, index) => [`s${index}`, path] as const);
  return {
    ...sample,
    sources: Object.fromEntries(named.map(([name, path]) => [name, file(path)])),
    probes: Object.fromEntries(
      named.map(([name]) => [
        `look-${name}`,
        { ...(probe as Manifest["probes"][string]), reads: { it: { source: name } } },
      ]),
    ),
  };
}

const grantOf = (requires: Requires): GrantFile => ({
  pack: NAME,
  digest: digestOf("1"),
  requires,
  windows: requires.files.map((path) => ({ of: `file ${path}`, part: "first", bytes: 99 })),
  approvedBy: "root",
  approvedAt: "2026-01-01T00:00:00.000Z",
});

/** The outermost edges of a host: a registry's archives, the grants folder and the state file. */
function buildHost(manifests: Record<string, Manifest | SondeError>) {
  const world = {
    grants: new Map<string, GrantFile>(),
    refusal: null as string | null,
    revoked: new Set<string>(),
    hubGrants: new Map<string, HubGrant>(),
    hubMayGrant: "none" as HubMayGrant,
    stopped: new Map<string, string>(),
    groups: [[]] as string[][],
    saved: null as Parameters<PacksPorts["save"]>[0] | null,
    dropped: [] as string[],
    events: [] as AgentEvent[],
    changes: 0,
    admissions: 0,
    admitting: 0,
    mostAdmitting: 0,
    isDiskFull: false,
    unsaved: 0,
  };
  const get = async (digest: string): Promise<AdmittedPack> => {
    const manifest = new Map(Object.entries(manifests)).get(digest);
    if (manifest === undefined) throw new SondeError("NOT_FOUND", "no such archive");
    if (manifest instanceof SondeError) throw manifest;
    const { name, version } = manifest;
    const signer = { kind: "none", publisher: "acme" } as const;
    return { name, version, digest, contentDigest: digest, codeSha256: digest, signer, manifest };
  };
  const create = (
    maxCapability: Capability = "observe",
    ownRules: OwnRules = [],
    program: PacksPorts["program"] = "sonde agent",
  ) => {
    const packs = new Packs({
      program,
      ceiling: { maxCapability, alsoReadOnly: new Set() },
      ownRules,
      async admit({ digest }) {
        world.admissions += 1;
        world.admitting += 1;
        world.mostAdmitting = Math.max(world.mostAdmitting, world.admitting);
        await new Promise((resolve) => setTimeout(resolve, 1));
        world.admitting -= 1;
        return get(digest);
      },
      readAdmitted: get,
      codePathOf: (digest) => `/store/${digest}`,
      readGrants: () => ({
        byPack: world.grants,
        whyRefused: () => world.refusal,
        revoked: world.revoked,
      }),
      hubGrantOf: (_, digest) => world.hubGrants.get(digest) ?? null,
      get hubMayGrant() {
        return world.hubMayGrant;
      },
      isRevoked: (name) => world.revoked.has(name),
      whyStopped: (_name, version) => world.stopped.get(version) ?? null,
      hasRunner: (groups) => world.groups.some((has) => fitsGroups(has, groups, [])),
      drop: (digest) => world.dropped.push(digest),
      reportUnsaved: () => {
        world.unsaved += 1;
      },
      save: (state) => {
        if (world.isDiskFull) throw new Error("ENOSPC");
        world.saved = structuredClone(state);
      },
      record: (event) => world.events.push(event),
    });
    packs.onChange(() => {
      world.changes += 1;
    });
    return packs;
  };
  return { world, create };
}

const desire = (revision: number, ...versions: [string, string][]) => ({
  revision,
  packs: versions.map(([version, letter]) => ({ name: NAME, version, digest: digestOf(letter) })),
});

const states = (packs: Packs) =>
  packs.reports().map(({ version, state, probes }) => [version, state, probes.length]);

test("a desired pack is pending until a person approves it, and out of service when revoked", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a", "/b"]) });
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(states(packs)).toEqual([["1.0.0", "pending", 0]]);
  expect(packs.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
  expect(packs.find("acme/other")).toMatchObject({ code: "PROBE_UNKNOWN" });

  world.grants.set(NAME, grantOf(needs(["/a", "/b"])));
  packs.reload();
  expect(states(packs)).toEqual([["1.0.0", "active", 2]]);
  expect(packs.reports()[0]?.approved).toEqual({ by: "root", at: "2026-01-01T00:00:00.000Z" });
  expect(packs.find(NAME)).toMatchObject({ codePath: `/store/${digestOf("1")}` });

  world.grants.clear();
  packs.reload();
  expect(states(packs)).toEqual([["1.0.0", "revoked", 0]]);
  expect(packs.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
  expect(world.dropped).toEqual([digestOf("1")]);

  world.grants.set(NAME, grantOf(needs(["/a", "/b"])));
  packs.reload();
  expect(states(packs)).toEqual([["1.0.0", "active", 2]]);
  expect(world.events.map(({ detail }) => detail["state"])).toEqual([
    "fetched",
    "pending",
    "active",
    "revoked",
    "active",
  ]);
});

test("attack 45: an upgrade that asks for more is held while the old version serves", async () => {
  const { world, create } = buildHost({
    [digestOf("1")]: buildManifest("1.0.0", ["/a"]),
    [digestOf("2")]: buildManifest("1.1.0", ["/a", "/etc/more"]),
    [digestOf("3")]: buildManifest("1.2.0", ["/a"]),
  });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  await packs.apply(desire(2, ["1.1.0", "2"]));
  expect(states(packs)).toEqual([
    ["1.0.0", "active", 1],
    ["1.1.0", "held", 0],
  ]);
  expect(packs.reports()[1]?.reason).toMatchObject({ code: "READ_NOT_GRANTED" });
  expect(packs.reports()[1]?.reason?.message).toMatch(/^asks for more .*file \/etc\/more/);
  expect(packs.inspect(NAME)?.version.version).toBe("1.1.0");

  await packs.apply(desire(3, ["1.2.0", "3"]));
  expect(states(packs)).toEqual([["1.2.0", "active", 1]]);
  expect(world.dropped).toEqual([digestOf("1")]);
});

test("what a person withheld stays closed, and the other probes serve", async () => {
  const { world, create } = buildHost({
    [digestOf("1")]: buildManifest("1.0.0", ["/a", "/b"]),
    [digestOf("2")]: buildManifest("1.1.0", ["/a", "/b", "/c"]),
    [digestOf("3")]: buildManifest("1.2.0", ["/b"]),
  });
  world.grants.set(NAME, { ...grantOf(needs(["/a"])), withheld: needs(["/b"]) });
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()).toMatchObject([
    {
      ...{ state: "active", probes: ["look-s0"] },
      reason: {
        code: "READ_NOT_GRANTED",
        message: `file /b was not granted; run: sonde agent approve ${NAME} --ask-each`,
      },
    },
  ]);
  const active = packs.find(NAME) as ActivePack;
  expect(() => requireProbe(active, "look-s1")).toThrow(/^expected every read .* file \/b was not/);
  expect([...active.probes.keys()]).toEqual(["look-s0"]);

  // An upgrade asks a person only about what nobody has decided yet.
  await packs.apply(desire(2, ["1.1.0", "2"]));
  expect(states(packs)).toEqual([
    ["1.0.0", "active", 1],
    ["1.1.0", "held", 0],
  ]);
  const message = packs.reports()[1]?.reason?.message;
  expect(message).toMatch(/^asks for more than was approved: file \/c; run/);

  // A version of which everything is withheld replaces nothing.
  await packs.apply(desire(3, ["1.2.0", "3"]));
  expect(states(packs)).toEqual([
    ["1.0.0", "active", 1],
    ["1.2.0", "pending", 0],
  ]);
  expect(packs.reports()[1]?.reason?.code).toBe("READ_NOT_GRANTED");
});

test("the next step is in the words of its host: of a package, or of npm start", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a", "/b"]) });
  for (const program of ["sonde agent", "sonde-agent"] as const) {
    const packs = create("observe", [], program);
    world.grants.clear();
    await packs.apply(desire(1, ["1.0.0", "1"]));
    const message = () => packs.reports()[0]?.reason?.message;
    expect(message()).toBe(`not approved; run: ${program} approve ${NAME}`);
    world.grants.set(NAME, { ...grantOf(needs(["/a"])), withheld: needs(["/b"]) });
    packs.reload();
    expect(message()).toContain(`run: ${program} approve ${NAME} --ask-each`);
  }
});

test("a withheld group is in no runner that serves the pack", async () => {
  const manifest = buildManifest("1.0.0", ["/a"], ["adm", "docker"]);
  const { world, create } = buildHost({ [digestOf("1")]: manifest });
  world.grants.set(NAME, { ...grantOf(needs(["/a"], ["adm"])), withheld: needs([], ["docker"]) });
  const packs = create();
  world.groups = [["adm", "docker"]];
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()[0]?.reason).toEqual({
    code: "PERMISSION_NEEDED",
    message: "no runner is in group adm",
  });
  world.groups = [["adm"]];
  packs.judgeAgain();
  expect(packs.find(NAME)).toMatchObject({ groups: ["adm"], withheldGroups: ["docker"] });
});

test("attack 45: an upgrade that reads another or a larger part is held; a smaller part is not", async () => {
  const reads = (version: string, window: object): Manifest => {
    const manifest = buildManifest(version, ["/a"]);
    return { ...manifest, sources: { s0: { ...file("/a"), ...window } } };
  };
  const { world, create } = buildHost({
    [digestOf("1")]: reads("1.0.0", {}),
    [digestOf("2")]: reads("1.1.0", { maxBytes: 100 }),
    [digestOf("3")]: reads("1.2.0", { tailBytes: 10 }),
    [digestOf("4")]: reads("1.3.0", { maxBytes: 98 }),
  });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  await packs.apply(desire(2, ["1.1.0", "2"]));
  expect(states(packs)).toEqual([
    ["1.0.0", "active", 1],
    ["1.1.0", "held", 0],
  ]);
  expect(packs.reports()[1]?.reason).toMatchObject({
    code: "READ_NOT_GRANTED",
    message: expect.stringContaining("the first 100 bytes of file /a"),
  });
  await packs.apply(desire(3, ["1.2.0", "3"]));
  expect(states(packs)[1]).toEqual(["1.2.0", "held", 0]);
  await packs.apply(desire(4, ["1.3.0", "4"]));
  expect(states(packs)).toEqual([["1.3.0", "active", 1]]);
});

test("a grant without windows counts for the archive that was approved only", async () => {
  const { world, create } = buildHost({
    [digestOf("1")]: buildManifest("1.0.0", ["/a"]),
    [digestOf("2")]: buildManifest("1.1.0", ["/a"]),
  });
  const { windows: _, ...old } = grantOf(needs(["/a"]));
  world.grants.set(NAME, old);
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(states(packs)).toEqual([["1.0.0", "active", 1]]);
  await packs.apply(desire(2, ["1.1.0", "2"]));
  expect(states(packs)[1]).toEqual(["1.1.0", "held", 0]);
});

test("attack 44: an older version is held until a person on the host approves that archive", async () => {
  const { world, create } = buildHost({
    [digestOf("1")]: buildManifest("1.0.0", ["/a"]),
    [digestOf("2")]: buildManifest("1.10.0", ["/a"]),
  });
  world.grants.set(NAME, { ...grantOf(needs(["/a"])), digest: digestOf("2") });
  const packs = create();
  await packs.apply(desire(1, ["1.10.0", "2"]));
  await packs.apply(desire(2, ["1.0.0", "1"]));
  expect(states(packs)).toEqual([
    ["1.10.0", "active", 1],
    ["1.0.0", "held", 0],
  ]);
  expect(packs.reports()[1]?.reason).toMatchObject({ code: "PACK_DOWNGRADE" });
  // Removing the pack first, or restarting in between, must not allow the downgrade either.
  await packs.apply(desire(3));
  const again = create();
  await again.restore(world.saved);
  await again.apply(desire(4, ["1.0.0", "1"]));
  expect(states(again)).toEqual([["1.0.0", "held", 0]]);

  world.grants.set(NAME, { ...grantOf(needs(["/a"])), digest: digestOf("1") });
  again.reload();
  expect(states(again)).toEqual([["1.0.0", "active", 1]]);
  await again.apply(desire(5, ["1.10.0", "2"]));
  expect(states(again)).toEqual([["1.10.0", "active", 1]]);
});

test("a version that the registry's log stops leaves service, and returns when it is released", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a"]) });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  world.stopped.set("1.0.0", "advisory ACME-1 (critical): bad");
  packs.judgeAgain();
  expect(states(packs)).toEqual([["1.0.0", "quarantined", 0]]);
  expect(packs.reports()[0]?.reason).toMatchObject({ code: "PACK_QUARANTINED" });
  expect(packs.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
  expect(world.dropped).toEqual([digestOf("1")]);
  packs.reload();
  expect(states(packs)).toEqual([["1.0.0", "quarantined", 0]]);
  world.stopped.clear();
  packs.judgeAgain();
  expect(states(packs)).toEqual([["1.0.0", "active", 1]]);
});

test("narrowing the grant of a pack in service removes its probes", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a", "/b"]) });
  world.grants.set(NAME, grantOf(needs(["/a", "/b"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  world.grants.set(NAME, grantOf(needs(["/a"])));
  packs.reload();
  expect(states(packs)).toEqual([["1.0.0", "held", 0]]);
  expect(packs.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
});

test("a refused archive never serves; a fetch is retried after the registry was down", async () => {
  const archives: Record<string, Manifest | SondeError> = {
    [digestOf("1")]: new SondeError("SIGNATURE_INVALID", "not signed by acme"),
    [digestOf("2")]: new SondeError("REGISTRY_UNAVAILABLE", "down"),
  };
  const { world, create } = buildHost(archives);
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()[0]).toMatchObject({
    state: "failed",
    reason: { code: "SIGNATURE_INVALID" },
    signer: null,
  });
  expect(world.events).toContainEqual(
    expect.objectContaining({ event: "pack.refused", code: "SIGNATURE_INVALID" }),
  );
  await packs.retry();
  expect(world.admissions).toBe(1);

  await packs.apply(desire(2, ["1.0.1", "2"]));
  archives[digestOf("2")] = buildManifest("1.0.1", ["/a"]);
  await packs.retry();
  expect(states(packs)).toEqual([["1.0.1", "active", 1]]);
});

test("a pack that leaves the desired state is removed; an older desired state is ignored", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a"]) });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(5, ["1.0.0", "1"]));
  await packs.apply(desire(4));
  expect(states(packs)).toEqual([["1.0.0", "active", 1]]);
  await packs.apply(desire(6));
  expect(packs.reports()).toEqual([]);
  expect(packs.find(NAME)).toMatchObject({ code: "PROBE_UNKNOWN" });
  expect(world.dropped).toEqual([digestOf("1")]);
});

test("a restart restores active packs; files changed on disk do not serve", async () => {
  const archives: Record<string, Manifest | SondeError> = {
    [digestOf("1")]: buildManifest("1.0.0", ["/a"]),
  };
  const { world, create } = buildHost(archives);
  world.grants.set(NAME, grantOf(needs(["/a"])));
  await create().apply(desire(1, ["1.0.0", "1"]));
  const again = create();
  await again.restore(world.saved);
  expect(states(again)).toEqual([["1.0.0", "active", 1]]);

  archives[digestOf("1")] = new SondeError("DIGEST_MISMATCH", "changed on disk");
  const tampered = create();
  await tampered.restore(world.saved);
  expect(tampered.reports()[0]).toMatchObject({
    state: "failed",
    reason: { code: "DIGEST_MISMATCH" },
  });
  expect(tampered.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
});

test("a full disk keeps no revoked pack in service, and the save is retried", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a"]) });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  world.isDiskFull = true;
  world.grants.clear();
  packs.reload();
  expect(packs.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
  expect(world.dropped).toEqual([digestOf("1")]);
  await packs.apply(desire(2));
  expect(world.unsaved).toBe(2);
  expect(world.saved?.revision).toBe(1);
  world.isDiskFull = false;
  await packs.retry();
  expect(world.saved).toEqual({ revision: 2, packs: [], floors: { [NAME]: "1.0.0" } });
});

test("many packs are admitted two at a time; one that left the desired state is not admitted", async () => {
  const { world, create } = buildHost({});
  const packs = create();
  const wish = Array.from({ length: 20 }, (_, index) => ({
    name: `acme/p${index}`,
    version: "1.0.0",
    digest: `sha256:${String(index).padStart(64, "0")}`,
  }));
  await packs.apply({ revision: 1, packs: wish });
  expect(packs.reports().map(({ state }) => state)).toEqual(wish.map(() => "failed"));
  expect([world.admissions, world.mostAdmitting]).toEqual([20, 2]);
  const other = wish.map((pack) => ({
    ...pack,
    digest: pack.digest.replace("sha256:0", "sha256:1"),
  }));
  const applying = packs.apply({ revision: 2, packs: other });
  await Promise.all([applying, packs.apply({ revision: 3, packs: [] })]);
  expect(world.admissions).toBe(22);
});

test("a pack whose grant file cannot be read says so", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a"]) });
  const packs = create();
  world.refusal = "/etc/sonde/grants: expected to open it, got EACCES";
  packs.reload();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()[0]).toMatchObject({
    state: "pending",
    reason: { code: "PERMISSION_NEEDED" },
  });
  world.refusal = null;
  packs.reload();
  expect(packs.reports()[0]?.reason).toMatchObject({ code: "PACK_NOT_ACTIVE" });
});

test("a revoked pack stays revoked over a restart", async () => {
  const { world, create } = buildHost({ [digestOf("1")]: buildManifest("1.0.0", ["/a"]) });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  world.grants.clear();
  packs.reload();
  const again = create();
  await again.restore(world.saved);
  expect(states(again)).toEqual([["1.0.0", "revoked", 0]]);
});

test("a pack that needs a group waits for a runner in it, and keeps it when the runner restarts", async () => {
  const { world, create } = buildHost({
    [digestOf("1")]: buildManifest("1.0.0", ["/a"], ["docker"]),
  });
  world.grants.set(NAME, grantOf(needs(["/a"], ["docker"])));
  const packs = create();
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()[0]).toMatchObject({
    state: "pending",
    reason: { code: "PERMISSION_NEEDED" },
  });
  world.groups = [[], ["adm", "docker"]];
  packs.judgeAgain();
  expect(states(packs)).toEqual([["1.0.0", "pending", 0]]);
  world.groups = [[], ["docker"]];
  packs.judgeAgain();
  expect(states(packs)).toEqual([["1.0.0", "active", 1]]);
  world.groups = [];
  packs.judgeAgain();
  expect(states(packs)).toEqual([["1.0.0", "active", 1]]);
  const again = create();
  await again.restore(world.saved);
  expect(states(again)).toEqual([["1.0.0", "active", 1]]);
});

test("attack 25: a pack whose probes are all above the ceiling never becomes active", async () => {
  const manifest = buildManifest("1.0.0", ["/a"]);
  for (const probe of Object.values(manifest.probes)) probe.capability = "manage";
  const { world, create } = buildHost({ [digestOf("1")]: manifest });
  world.grants.set(NAME, grantOf(needs(["/a"])));
  const packs = create("interact");
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()[0]).toMatchObject({
    state: "failed",
    probes: [],
    reason: { code: "CAPABILITY_ABOVE_CEILING" },
  });
});

test("the reason of a failure is reported and recorded without the secrets that it quotes", async () => {
  const leaky = new SondeError(
    "REGISTRY_UNAVAILABLE",
    "https://ada:hunter2hunter2@r.example: no, says BADGE-123456",
  );
  const { world, create } = buildHost({ [digestOf("1")]: leaky });
  const own = [{ name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" }];
  const packs = create("observe", await compileOwnRules(own));
  await packs.apply(desire(1, ["1.0.0", "1"]));
  expect(packs.reports()[0]?.reason?.message).toContain("r.example: no");
  expect(world.events.some(({ event }) => event === "pack.refused")).toBe(true);
  expect(JSON.stringify([packs.reports(), world.events])).not.toMatch(/hunter2|123456/);
});

test("a report holds two versions of the largest number of desired packs", () => {
  const version = (letter: string) => ({
    version: "1.0.0",
    digest: digestOf(letter),
    state: "failed" as const,
    reason: { code: "REGISTRY_UNAVAILABLE" as const, message: "x".repeat(2000) },
    admitted: null,
  });
  const packs = Array.from({ length: MAX_PACKS }, (_, index) => ({
    name: `acme/hello-${index}`,
    current: version("1"),
    candidate: version("2"),
  }));
  const reports = buildPackReports(packs, () => null, {
    ceiling: { maxCapability: "observe", alsoReadOnly: new Set() },
    ownRules: [],
  });
  const body = { packs: reports, auditHead: EMPTY_HEAD, registryHead: null };
  expect(parsePackReportBody(body).packs).toHaveLength(2 * MAX_PACKS);
});

/** The hub's grant of these files for that archive. */
const byHub = (digest: string, files: string[]): HubGrant => ({
  ...{ pack: NAME, digest, items: files.map((path) => `file ${path}`) },
  ...{ by: "person:ada", byName: "Ada", given: 1_793_520_000_000 },
});
const at = new Date(1_793_520_000_000).toISOString();
const [PROC, ETC] = ["/proc/loadavg", "/etc/hostname"];

/** A host with one archive, that may get the items of the hub. */
async function startWithHub(files: string[], groups: string[] = []) {
  const digest = digestOf("1");
  const { world, create } = buildHost({ [digest]: buildManifest("1.0.0", files, groups) });
  world.hubMayGrant = ["/proc"];
  const packs = create();
  await packs.apply({ revision: 1, packs: [{ name: NAME, version: "1.0.0", digest }] });
  return { digest, world, packs };
}

test("what the host lets the hub grant, serves by the hub's grant", async () => {
  const { digest, world, packs } = await startWithHub([PROC]);
  expect(packs.reports()[0]?.state).toBe("pending");
  world.hubGrants.set(digest, byHub(digest, [PROC]));
  packs.reload();
  expect(packs.reports()).toMatchObject([
    { state: "active", probes: ["look-s0"], approved: { by: "Ada at the hub (person:ada)", at } },
  ]);
  expect(packs.find(NAME)).not.toBeInstanceOf(SondeError);
});

// Attack 80.
test("the host decides about each item, and what only it may grant is withheld", async () => {
  const { digest, world, packs } = await startWithHub([PROC, ETC], ["adm"]);
  world.hubGrants.set(digest, {
    ...byHub(digest, [PROC, ETC, "/proc/stat"]),
    items: ["group adm", ...byHub(digest, [PROC, ETC, "/proc/stat"]).items],
  });
  packs.reload();
  expect(packs.reports()).toMatchObject([
    { state: "active", probes: ["look-s0"], reason: { code: "READ_NOT_GRANTED" } },
  ]);
  const active = packs.find(NAME) as ActivePack;
  expect(active.groups).toEqual([]);
  expect(active.grant.byHub?.items).toEqual([`file ${PROC}`]);
  expect(packs.archives()[0]?.grant?.requires).toEqual(needs([PROC]));
});

test("a hub grants nothing where the host says none, also after it was granted", async () => {
  const { digest, world, packs } = await startWithHub([PROC]);
  world.hubGrants.set(digest, byHub(digest, [PROC]));
  packs.reload();
  expect(packs.reports()[0]?.state).toBe("active");
  world.hubMayGrant = "none";
  packs.reload();
  expect(packs.reports()[0]?.state).toBe("revoked");
  expect(packs.find(NAME)).toBeInstanceOf(SondeError);
});

// Attack 43.
test("a grant for another archive of the pack does not count", async () => {
  const { digest, world, packs } = await startWithHub([PROC]);
  world.hubGrants.set(digestOf("2"), byHub(digestOf("2"), [PROC]));
  packs.reload();
  expect(packs.reports()[0]?.state).toBe("pending");
  expect(packs.archives()[0]?.digest).toBe(digest);
});

// Attack 80.
test("a person on the host who revoked the pack wins, at the next call already", async () => {
  const { digest, world, packs } = await startWithHub([PROC]);
  world.hubGrants.set(digest, byHub(digest, [PROC]));
  packs.reload();
  expect(packs.find(NAME)).not.toBeInstanceOf(SondeError);
  world.revoked.add(NAME);
  expect(packs.find(NAME)).toMatchObject({ code: "PACK_NOT_ACTIVE" });
  expect(packs.reports()[0]?.state).toBe("revoked");
});

test("what a person on the host refused, the hub cannot grant", async () => {
  const { digest, world, packs } = await startWithHub([PROC, "/proc/stat"]);
  world.grants.set(NAME, { ...grantOf(needs([PROC])), withheld: needs(["/proc/stat"]) });
  world.hubGrants.set(digest, byHub(digest, [PROC, "/proc/stat"]));
  packs.reload();
  expect(packs.reports()).toMatchObject([{ state: "active", probes: ["look-s0"] }]);
});

test("where the host's own grants cannot be read, the hub's do not count", async () => {
  const { digest, world, packs } = await startWithHub([PROC]);
  world.hubGrants.set(digest, byHub(digest, [PROC]));
  world.refusal = "others may write it";
  packs.reload();
  expect(packs.reports()[0]).toMatchObject({ state: "pending", probes: [] });
});

// Attack 45.
test("an upgrade that asks for more is held until the hub grants exactly it", async () => {
  const [one, two] = [digestOf("1"), digestOf("2")];
  const { world, create } = buildHost({
    [one]: buildManifest("1.0.0", [PROC]),
    [two]: buildManifest("1.1.0", [PROC, "/proc/stat"]),
  });
  world.hubMayGrant = ["/proc"];
  world.grants.set(NAME, grantOf(needs([PROC])));
  const packs = create();
  await packs.apply({ revision: 1, packs: [{ name: NAME, version: "1.0.0", digest: one }] });
  await packs.apply({ revision: 2, packs: [{ name: NAME, version: "1.1.0", digest: two }] });
  expect(packs.reports().map(({ state }) => state)).toEqual(["active", "held"]);
  world.hubGrants.set(two, byHub(two, ["/proc/stat"]));
  packs.reload();
  expect(packs.reports()).toMatchObject([{ version: "1.1.0", state: "active" }]);
  expect(packs.reports()[0]?.approved?.by).toBe("root; Ada at the hub (person:ada)");
});

// Attack 44.
test("a hub cannot go back to an older version by its own grant", async () => {
  const [one, two] = [digestOf("1"), digestOf("2")];
  const { world, create } = buildHost({
    [one]: buildManifest("1.0.0", [PROC]),
    [two]: buildManifest("2.0.0", [PROC]),
  });
  world.hubMayGrant = ["/proc"];
  world.hubGrants.set(one, byHub(one, [PROC])).set(two, byHub(two, [PROC]));
  const packs = create();
  await packs.apply({ revision: 1, packs: [{ name: NAME, version: "2.0.0", digest: two }] });
  expect(packs.reports()[0]?.state).toBe("active");
  await packs.apply({ revision: 2, packs: [{ name: NAME, version: "1.0.0", digest: one }] });
  expect(packs.reports().map(({ version, state }) => `${version} ${state}`)).toEqual([
    ...["2.0.0 active", "1.0.0 held"],
  ]);
});
