import type { HubMayGrant } from "@sonde/schemas/agent";
import type { Manifest, Source } from "@sonde/schemas/manifest";
import { rulesOf } from "./kinds.ts";
import { listNeeds } from "./list-needs.ts";
import { isReadOnlyCall } from "./read-only-call.ts";

/**
 * True for a source of which a host lets its hub grant the reads: a file beneath one of the folders, or
 * a command whose whole argv is in the built-in table. What root on the host lists as only looking is
 * not in that table. Everything else is for a person on the host: sockets, other hosts, SQL, the
 * journal.
 */
export function mayHubGrant(source: Source, allowed: HubMayGrant): boolean {
  if (allowed === "none") return false;
  const { files, commands, ...others } = rulesOf(source).needs(source);
  if (Object.values(others).some((need) => need !== undefined)) return false;
  if (commands !== undefined) {
    if (source.kind !== "exec" || !isReadOnlyCall(source)) return false;
    if (!allowed.includes("read-only-commands")) return false;
  }
  if (files !== undefined && !allowed.some((root) => isBeneath(files, root))) return false;
  return files !== undefined || commands !== undefined;
}

/**
 * The items of a pack that a host lets its hub grant. An item that several sources need counts only
 * when all of these do. A group never does.
 */
export function listHubGrantable(
  { sources }: Pick<Manifest, "sources">,
  allowed: HubMayGrant,
): Set<string> {
  const grantable = new Set<string>();
  const other = new Set<string>();
  for (const source of Object.values(sources)) {
    const list = mayHubGrant(source, allowed) ? grantable : other;
    for (const item of listNeeds(source)) list.add(item);
  }
  return new Set([...grantable].filter((item) => !other.has(item)));
}

/** `pattern` is what `pathPattern` makes: absolute, and without `.` and `..`. */
function isBeneath(pattern: string, root: string): boolean {
  return pattern === root || pattern.startsWith(`${root}/`);
}
