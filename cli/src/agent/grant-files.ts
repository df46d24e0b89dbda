import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile, revokedFileOf } from "@sonde/files";
import { type GrantFile, type PackExplanation, parseGrantFile } from "@sonde/schemas/agent";
import type { Requires } from "@sonde/schemas/manifest";
import { parseJson } from "@sonde/schemas/parse";
import { listItems, pickItems } from "@sonde/sources";

/**
 * Writes a grant of these items of the archive that was shown, and that the others were withheld. Its
 * holes for endpoints take these. The
 * write is atomic and durable. The file belongs to the user who runs this command; the agent accepts only files of
 * root (without root: of its own user).
 */
export function writeGrant(
  folder: string,
  shown: PackExplanation,
  { items, endpoints = [] }: { items: ReadonlySet<string>; endpoints?: readonly string[] },
  approvedBy: string,
  now: Date,
): void {
  const withheld = pickItems(shown.requires, (item) => !items.has(item));
  const grant: GrantFile = {
    pack: shown.name,
    digest: shown.digest,
    requires: pickItems(shown.requires, (item) => items.has(item)),
    ...(listItems(withheld).length > 0 && { withheld }),
    windows: shown.windows.filter(({ of }) => items.has(of)),
    ...(endpoints.length > 0 && { endpoints: [...endpoints] }),
    approvedBy,
    approvedAt: now.toISOString(),
  };
  makeReadable(folder);
  replaceFile(grantPath(folder, shown.name), `${JSON.stringify(grant, null, 2)}\n`);
  // What a person on the host approved, the hub may add to again.
  rmSync(join(folder, revokedFileOf(shown.name)), { force: true });
}

/**
 * Deletes the grant, and keeps the hub from granting anything of the pack until a person on this host
 * approves it again.
 */
export function revokeGrant(folder: string, pack: string, by: string, now: Date): void {
  makeReadable(folder);
  const revoked = { pack, by, at: now.toISOString() };
  // First: at no time may the hub's part count alone.
  replaceFile(join(folder, revokedFileOf(pack)), `${JSON.stringify(revoked)}\n`);
  removeGrant(folder, pack);
}

/** Deletes the grant. The agent stops the pack at its next reload. */
export function removeGrant(folder: string, pack: string): void {
  rmSync(grantPath(folder, pack), { force: true });
}

/**
 * The groups of each grant that has any.
 *
 * @throws SondeError CONFIG_INVALID for a file that is no grant
 */
export function listGrantedGroups(folder: string): string[][] {
  return readRequires(folder)
    .map(({ groups }) => groups)
    .filter((groups) => groups.length > 0);
}

/** A runner besides the one that every agent has: its groups, and whether it may reach other hosts. */
export type RunnerNeed = { groups: readonly string[]; reachesHosts: boolean };

/**
 * The runners that the grants need, as `listGrantedGroups`. A pack with groups that asks other hosts
 * needs two.
 *
 * @throws SondeError CONFIG_INVALID for a file that is no grant
 */
export function listGrantedRunners(folder: string): RunnerNeed[] {
  return readRequires(folder).flatMap(needsOf);
}

/** The runners that these requirements need. */
export function needsOf({ groups, hosts = [] }: Pick<Requires, "groups" | "hosts">): RunnerNeed[] {
  return [
    ...(groups.length > 0 ? [{ groups, reachesHosts: false }] : []),
    ...(hosts.length > 0 ? [{ groups, reachesHosts: true }] : []),
  ];
}

/** The agent reads it, whatever the umask of who makes it. */
function makeReadable(folder: string): void {
  if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755);
}

function readRequires(folder: string): Requires[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.map((name) => {
    const bytes = readFileSync(join(folder, name));
    return parseGrantFile(parseJson(bytes, name, "CONFIG_INVALID")).requires;
  });
}

function grantPath(folder: string, pack: string): string {
  return join(folder, `${pack.replace("/", "--")}.json`);
}
