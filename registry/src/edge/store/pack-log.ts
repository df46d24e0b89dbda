import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";
import { type RegistryEntry } from "@sonde/schemas/registry";
import { buildIndex } from "../../core/build-index.ts";
import type { LogStore } from "./log-store.ts";
import { createRecentlyUsed } from "./recently-used.ts";

/** Of the entries and indexes that are kept in memory. */
const MAX_KNOWN_BYTES = 16 * 1024 * 1024;

/** What the log says of one pack. */
export type PackLog = {
  entries: readonly RegistryEntry[];
  /** `/index/PUBLISHER/PACK`: an IndexLine of JSON for each version. */
  index: Buffer;
  /** Strong, made of the bytes of the index. */
  etag: string;
};

/** @throws SondeError NOT_FOUND when the log says nothing of such a pack */
export type ReadPackLog = (name: PackName) => Promise<PackLog>;

/**
 * Reads what the log says of a pack, which is built anew only after the log said
 * more of it: what is kept is known by the place of the pack's last entry.
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
    // The entries are about as large again for what each has besides.
    const weight = 2 * JSON.stringify(packLog.entries).length + index.length;
    known.set(name, { last, packLog }, weight);
    return packLog;
  };
}
