import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type PublishEntry, parseRegistryEntry } from "@sonde/schemas/registry";
import type { FollowedRegistry, RegistryPlace } from "@sonde/schemas/trust";
import { type LogHead } from "@sonde/schemas/wire";
import { createTileReader, fetchCheckpoint, fetchFile } from "@sonde/trust/admit";
import { MAX_ARCHIVE_BYTES, readLoggedArchive } from "@sonde/trust/archive";
import {
  EMPTY_FRONTIER,
  type FollowLogRequest,
  type StopEntry,
  followLog,
  headOf,
  parseNoteKey,
  whyStopped,
} from "@sonde/trust/log";

type LoggedVersion = PublishEntry & { logIndex: number };

/** A registry's whole log, as its key signed it. */
export type WalkedLog = {
  head: LogHead;
  at: string;
  /** In the order of the log. */
  published: LoggedVersion[];
  /** True when the log says now, or said earlier, that nobody gets this version. */
  isQuarantined: (entry: PublishEntry) => boolean;
  wasQuarantined: (entry: PublishEntry) => boolean;
};

/** What was read of one log. */
export type LogFiles = Pick<FollowLogRequest, "readCheckpoint" | "readTile">;

export function logFilesOf(registry: RegistryPlace): LogFiles {
  return {
    readCheckpoint: () => fetchCheckpoint(registry),
    readTile: createTileReader(registry),
  };
}

/**
 * Reads a registry's log from its first entry to its signed head.
 *
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, CONFIG_INVALID
 */
export async function walkLog(
  source: FollowedRegistry,
  files: LogFiles = logFilesOf(source),
): Promise<WalkedLog> {
  const published: LoggedVersion[] = [];
  const quarantines: Extract<StopEntry, { type: "quarantine" }>[] = [];
  const { frontier, checkpoint } = await followLog({
    key: parseNoteKey(source.logKey),
    from: EMPTY_FRONTIER,
    ...files,
    seen: [],
    now: new Date(),
    maxHeadAgeHours: source.logHeadMaxAgeHours,
    onEntry(bytes, logIndex) {
      const value = parseJson(bytes, "registry log entry", "REGISTRY_LOG_INCONSISTENT");
      const entry = parseRegistryEntry(value);
      if (entry.type === "publish") published.push({ ...entry, logIndex });
      if (entry.type === "quarantine") quarantines.push(entry);
    },
  });
  const touched = new Set(quarantines.map(describePack));
  return {
    head: headOf(frontier),
    at: checkpoint.at.toISOString(),
    published,
    wasQuarantined: (entry) => touched.has(describePack(entry)),
    isQuarantined: (entry) =>
      touched.has(describePack(entry)) &&
      whyStopped(quarantines, entry.name, entry.version) !== null,
  };
}

export function describePack({ name, version }: Pick<PublishEntry, "name" | "version">): string {
  return `${name} ${version}`;
}

/**
 * Fetches the archive of a version and compares it with the log.
 *
 * @throws SondeError NOT_FOUND, DIGEST_MISMATCH, ARCHIVE_INVALID, REGISTRY_UNAVAILABLE
 */
export async function fetchLogged(registry: RegistryPlace, entry: PublishEntry): Promise<Buffer> {
  const path = `api/v1/packs/${entry.name}/${entry.version}/archive`;
  const archive = await fetchFile(registry, path, MAX_ARCHIVE_BYTES);
  if (archive === null) throw new SondeError("NOT_FOUND", "expected the archive, got none");
  readLoggedArchive(archive, entry);
  return archive;
}
