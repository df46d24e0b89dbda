import { createHash } from "node:crypto";
import { describeRunnerGroups, RUNNER_NETWORK_DROP_IN } from "@sonde/schemas/agent";
import type { Difference } from "@sonde/schemas/hub";
import type { Digest } from "@sonde/schemas/names";
import type {
  AgentStatement,
  StatedFile,
  StatedHubGrant,
  StatedProcess,
} from "@sonde/schemas/wire";
import { isPlainRunner } from "./plain-runner.ts";

/** What the hub itself knows, beside the statement that was approved. */
export type Known = {
  /** The packs that the agent should have. */
  ordered: readonly { name: string; digest: Digest }[];
  /** True for an archive that this installation verified. */
  isVerified: (digest: Digest) => boolean;
  /** True for a grant that a person gave at this hub. */
  isGivenHere: (grant: StatedHubGrant) => boolean;
  /** Groups that each ordered pack needs. */
  orderedGroups: readonly (readonly string[])[];
  /** Whether an ordered pack asks other hosts. */
  ordersHosts: boolean;
  /** True for a file of a release that the hub knows, or a program that a person accepted elsewhere. */
  isKnownFile: (sha256: Digest) => boolean;
};

type Drift = Difference["drift"];
type TextMember = {
  [Member in keyof AgentStatement]-?: AgentStatement[Member] extends string ? Member : never;
}[keyof AgentStatement];

/** Members that are compared as a whole. Identity rule 11 says which drift is expected. */
const MEMBERS: readonly [TextMember, string, Drift][] = [
  ["os", "operating system", "expected"],
  ["kernel", "kernel", "expected"],
  ["lsm", "security modules", "expected"],
  ["runtimeVersion", "runtime version", "expected"],
  ["name", "name", "review"],
  ["arch", "architecture", "review"],
  ["secureBoot", "Secure Boot", "review"],
  ["tpm", "TPM", "review"],
  ["maxCapability", "ceiling", "review"],
  ["configSha256", "configuration in use", "review"],
];

/**
 * Lists how a statement differs from the approved one, and what in it is wrong by itself. What the
 * hub ordered and root on the host granted is no difference: both are approvals, on record.
 */
export function findDifferences(
  approved: AgentStatement,
  stated: AgentStatement,
  known: Known,
): Difference[] {
  const members = MEMBERS.flatMap(([member, what, drift]) =>
    differ(what, drift, approved[member], stated[member]),
  );
  const files = compareFiles(approved, stated, known);
  const isRelease = files.every(({ what, drift }) => drift === "expected" || !isProgram(what));
  return [
    ...members,
    ...differ(
      "agent version",
      isRelease ? "expected" : "review",
      approved.agentVersion,
      stated.agentVersion,
    ),
    ...differ(
      "program in use",
      known.isKnownFile(stated.programSha256) ? "expected" : "review",
      approved.programSha256,
      stated.programSha256,
    ),
    ...files,
    ...compareGrants(approved, stated, known),
    ...compareHubGrants(stated, known),
    ...comparePacks(approved, stated, known),
    ...compareProcesses(approved, stated, known),
  ];
}

function differ(
  what: string,
  drift: Drift,
  approved: string | null,
  stated: string | null,
): Difference[] {
  return approved === stated ? [] : [{ what, drift, approved, stated }];
}

const isProgram = (what: string): boolean => what.startsWith("program ");

function compareFiles(
  approved: AgentStatement,
  stated: AgentStatement,
  { isKnownFile, orderedGroups, ordersHosts }: Known,
): Difference[] {
  // `sonde-agent approve` gives a runner the groups that an ordered pack needs, and its reach.
  const texts = [
    ...orderedGroups.map(describeRunnerGroups),
    ...(ordersHosts ? [RUNNER_NETWORK_DROP_IN] : []),
  ];
  const dropIns = new Set(texts.map(digestOf));
  const isKnown = (sha256: Digest) => isKnownFile(sha256) || dropIns.has(sha256);
  const before = new Map(approved.files.map((file) => [placeOf(file, approved), file]));
  const now = new Map(stated.files.map((file) => [placeOf(file, stated), file]));
  const isOtherRuntime = approved.runtimeVersion !== stated.runtimeVersion;
  return [...new Set([...before.keys(), ...now.keys()])].flatMap((place) => {
    const file = now.get(place);
    const { kind, path } = file ?? before.get(place) ?? { kind: "file", path: place };
    // A file that a release dropped is gone with the program of that release.
    const whose = file === undefined ? stated.programSha256 : file.sha256;
    const isOfRelease =
      whose !== null && isKnown(whose) && (file !== undefined || kind === "program");
    // The file of another version of Node differs; another file of the same version was made by hand.
    const isUpgrade = kind === "runtime" && isOtherRuntime;
    return differ(
      `${kind} ${path}`,
      isOfRelease || isUpgrade ? "expected" : "review",
      contentOf(before.get(place)),
      contentOf(file),
    );
  });
}

/** Where a file is. Programs may lie in another folder after an upgrade, so they go by their place in it. */
function placeOf({ kind, path }: StatedFile, { files }: AgentStatement): string {
  const own = files[0]?.path ?? "";
  const folder = own.slice(0, own.lastIndexOf("/") + 1);
  return folder !== "" && path.startsWith(folder) ? `${kind} ${path.slice(folder.length)}` : path;
}

function digestOf(text: string): Digest {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

function contentOf(file: StatedFile | undefined): string | null {
  if (file === undefined) return null;
  return file.sha256 ?? `not readable, ${file.seen ?? "unknown"}`;
}

/** A grant that is gone takes rights away, so it is no drift. */
function compareGrants(
  approved: AgentStatement,
  stated: AgentStatement,
  { ordered }: Known,
): Difference[] {
  return stated.grants
    .filter((grant) => !ordered.some((wish) => isSame(wish, { ...grant, name: grant.pack })))
    .flatMap(({ pack, sha256 }) => {
      const before = approved.grants.find((grant) => grant.pack === pack)?.sha256 ?? null;
      return differ(`grant ${pack}`, "review", before, sha256);
    });
}

/** Only what nobody gave at this hub is one: the rest is a person's act, on record. */
function compareHubGrants({ hubGrants = [] }: AgentStatement, known: Known): Difference[] {
  return hubGrants
    .filter((grant) => !known.isGivenHere(grant))
    .flatMap(({ pack, digest, by }) =>
      differ(`grant of the hub ${pack}`, "review", null, `${digest} by ${by}`),
    );
}

function isSame(a: { name: string; digest: Digest }, b: { name: string; digest: Digest }): boolean {
  return a.name === b.name && a.digest === b.digest;
}

function comparePacks(
  approved: AgentStatement,
  stated: AgentStatement,
  { ordered, isVerified }: Known,
): Difference[] {
  return stated.packs.flatMap((pack): Difference[] => {
    const { name, version, digest, verified, content } = pack;
    const what = `pack ${name} ${version}`;
    if (verified === null || content !== verified) {
      const stored = content ?? "other files than those that were verified";
      return [{ what, drift: "review", approved: verified ?? digest, stated: stored }];
    }
    // An older version goes on serving while the ordered one waits for its grant.
    const isOrdered = ordered.some((wish) => wish.name === name) && isVerified(digest);
    if (isOrdered || approved.packs.some((one) => isSame(one, pack))) return [];
    return [{ what, drift: "review", approved: null, stated: digest }];
  });
}

function compareProcesses(
  approved: AgentStatement,
  stated: AgentStatement,
  known: Known,
): Difference[] {
  const own = stated.processes.find(({ role }) => role === "agent");
  const missing = own === undefined ? differ("rights of agent", "review", "stated", null) : [];
  const stating = stated.processes.flatMap((process) => {
    const before = approved.processes.find((one) => keyOf(one) === keyOf(process));
    // Runners come when they are needed, so the approved statement may be older than the first one.
    if (
      before === undefined &&
      isPlainRunner(process, own?.groupNames ?? [], known.orderedGroups)
    ) {
      return [];
    }
    const rights = before === undefined ? null : describeRights(before);
    return differ(`rights of ${keyOf(process)}`, "review", rights, describeRights(process));
  });
  return [...missing, ...stating];
}

function keyOf({ role, groupNames }: StatedProcess): string {
  const groups = [...groupNames].sort().join("+");
  return role === "agent" || groups === "" ? role : `${role} in ${groups}`;
}

function describeRights({ groupNames, rights }: StatedProcess): string {
  const { uids, gids, groups, capabilities, noNewPrivs, seccomp } = rights;
  // In this order, whatever the database made of the object.
  const { inheritable, permitted, effective, bounding, ambient } = capabilities;
  const sets = Object.entries({ inheritable, permitted, effective, bounding, ambient }).map(
    ([set, bits]) => `${set} ${bits}`,
  );
  return [
    `uid ${uids.join("/")} gid ${gids.join("/")} groups ${groups.join(",")} (${groupNames.join(",")})`,
    `capabilities ${sets.join(" ")} NoNewPrivs ${noNewPrivs ? 1 : 0} seccomp ${seccomp ?? "-"}`,
  ].join(" ");
}
