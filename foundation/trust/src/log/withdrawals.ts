import type { PackName, Version } from "@sonde/schemas/names";
import type { RegistryEntry } from "@sonde/schemas/registry";
import semver from "semver";

/** A log entry that may stop a version: a quarantine or an advisory. */
export type StopEntry = Extract<RegistryEntry, { type: "quarantine" | "advisory" }>;

export function isStopEntry(entry: RegistryEntry): entry is StopEntry {
  return entry.type === "quarantine" || entry.type === "advisory";
}

/**
 * Returns why the registry's log stops this version, or null. An operator's quarantine
 * stops it, and so does an advisory of high or critical severity that covers it. Of two
 * entries about the same thing the later one counts.
 *
 * @param entries in the order of the log
 * @returns one sentence, or null
 */
export function whyStopped(
  entries: readonly StopEntry[],
  name: PackName,
  version: Version,
): string | null {
  const standing = new Map<string, StopEntry>();
  for (const entry of entries) {
    if (entry.name !== name) continue;
    standing.set(entry.type === "advisory" ? `advisory ${entry.id}` : entry.version, entry);
  }
  for (const entry of standing.values()) {
    const sentence = describeStop(entry, version);
    if (sentence !== null) return sentence;
  }
  return null;
}

function describeStop(entry: StopEntry, version: Version): string | null {
  if (entry.type === "quarantine") {
    const stops = entry.quarantined && entry.version === version;
    return stops ? `the registry quarantined it on ${entry.at}: ${entry.reason}` : null;
  }
  const { withdrawn, severity, range, id, text } = entry;
  const isGrave = severity === "high" || severity === "critical";
  const covers = semver.satisfies(version, range, { includePrerelease: true });
  return !withdrawn && isGrave && covers ? `advisory ${id} (${severity}): ${text}` : null;
}
