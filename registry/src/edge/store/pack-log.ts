import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";
import { type RegistryEntry } from "@sonde/schemas/registry";
import { buildIndex } from "../../core/build-index.ts";
import type { LogStore } from "./log-store.ts";
import { createRecentlyUsed } from "./recently-used.ts";

/** Size of the LRU cache of entries and indexes. */
const MAX_KNOWN_BYTES = 16 * 1024 * 1024;

/** The log's entries about one pack. */
export type PackLog = {
  entries: readonly RegistryEntry[];
  /** `/index/PUBLISHER/PACK`: one JSON IndexLine for each version. */
  index: Buffer;
  /** A strong ETag over the index. */
  etag: string;
};

/** @throws SondeError NOT_FOUND when the log has no entry about the pack */
export type ReadPackLog = (name: PackName) => Promise<PackLog>;

/**
 * Creates a cached reader of the log's entries about a pack. The cache key is the index of the
 * pack's last entry, so a new entry invalidates it.
 */
export function createPackLogReader(log: LogStore): ReadPackLog {
  const known = createRecentlyUsed<{ last: number; packLog: PackLog }>(MAX_KNOWN_BYTES);
  return async (name) => {
    const last = await log.findLast(name);
    if (last === null) throw new SondeError("NOT_FOUND", `expected a pack, got ${name}`);
    const present = known.get(name);
    if (present?.last === last) return present.packLog;
    const placed = await log.readEntries(name, last);
    const index = Buffer.from(
      buildIndex(placed)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(""),
    );
    const etag = `"${createHash("sha256").update(index).digest("base64url")}"`;
    const packLog = { entries: placed.map(({ entry }) => entry), index, etag };
    // The parsed entries need about twice the size of their JSON.
    const weight = 2 * JSON.stringify(packLog.entries).length + index.length;
    known.set(name, { last, packLog }, weight);
    return packLog;
  };
}
