import type { Version } from "@sonde/schemas/names";
import type { IndexLine, RegistryEntry } from "@sonde/schemas/registry";
import { UNTOUCHED, changeState } from "./pack-life.ts";

/** An entry of the log with its index. */
export type PlacedEntry = { logIndex: number; entry: RegistryEntry };

/**
 * Builds the index of one pack's versions, in log order, from log entries alone.
 *
 * @param entries of this pack, in log order
 */
export function buildIndex(entries: readonly PlacedEntry[]): IndexLine[] {
  const lines = new Map<Version, IndexLine>();
  for (const { logIndex, entry } of entries) {
    if (entry.type === "publish") {
      const { name, version, digest, engines } = entry;
      lines.set(version, { name, version, digest, engines, logIndex, state: UNTOUCHED });
    } else if (entry.type === "yank" || entry.type === "quarantine") {
      const line = lines.get(entry.version);
      if (line !== undefined)
        lines.set(entry.version, { ...line, state: changeState(line.state, entry) });
    }
  }
  return [...lines.values()];
}
