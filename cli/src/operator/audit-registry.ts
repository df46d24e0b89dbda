import { type PublishEntry, SondeError, parseJson, parseRegistryEntry } from "@sonde/schemas";
import { createTileReader, fetchCheckpoint, fetchFile } from "@sonde/trust/admit";
import { MAX_ARCHIVE_BYTES, archiveDigest, contentDigest, readArchive } from "@sonde/trust/archive";
import {
  EMPTY_FRONTIER,
  followLog,
  headOf,
  isStopEntry,
  parseNoteKey,
  whyStopped,
} from "@sonde/trust/log";

/** What a walk over a whole registry found. */
export type RegistryAudit = {
  /** Of the log that was walked, as its key signed it. */
  head: { size: number; hash: string };
  at: string;
  archives: number;
  /** Versions that the log itself says are not served; their bytes cannot be compared. */
  withheld: string[];
  /** Each is a version whose archive is not what the log says. */
  problems: { pack: string; code: string; message: string }[];
};

/**
 * Walks a registry's log from its first entry to its signed head, and downloads
 * and reads every archive that was ever published: so anybody can check that
 * what is served is what was logged, without trusting the registry.
 *
 * @param onArchive told of each archive before it is fetched
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, CONFIG_INVALID
 */
export async function auditRegistry(
  registry: string,
  logKey: string,
  onArchive: (done: number, total: number) => void,
): Promise<RegistryAudit> {
  const entries: ReturnType<typeof parseRegistryEntry>[] = [];
  const { frontier, checkpoint } = await followLog({
    key: parseNoteKey(logKey),
    from: EMPTY_FRONTIER,
    readCheckpoint: () => fetchCheckpoint(registry),
    readTile: createTileReader(registry),
    seen: [],
    now: new Date(),
    onEntry(bytes) {
      const value = parseJson(bytes, "registry log entry", "REGISTRY_LOG_INCONSISTENT");
      entries.push(parseRegistryEntry(value));
    },
  });
  const published = entries.filter((entry) => entry.type === "publish");
  const stops = entries.filter(isStopEntry).filter(({ type }) => type === "quarantine");
  const audit: RegistryAudit = {
    head: headOf(frontier),
    at: checkpoint.at.toISOString(),
    archives: 0,
    withheld: [],
    problems: [],
  };
  for (const [index, entry] of published.entries()) {
    onArchive(index, published.length);
    const pack = `${entry.name} ${entry.version}`;
    if (whyStopped(stops, entry.name, entry.version) !== null) {
      audit.withheld.push(pack);
      continue;
    }
    audit.archives += 1;
    const problem = await checkArchive(registry, entry);
    if (problem !== null) audit.problems.push({ pack, ...problem });
  }
  return audit;
}

/** Null when the registry serves exactly what the entry says. */
async function checkArchive(
  registry: string,
  { name, version, digest, contentDigest: content }: PublishEntry,
): Promise<{ code: string; message: string } | null> {
  try {
    const path = `api/v1/packs/${name}/${version}/archive`;
    const archive = await fetchFile(registry, path, MAX_ARCHIVE_BYTES);
    if (archive === null) throw new SondeError("NOT_FOUND", "expected the archive, got none");
    const got = archiveDigest(archive);
    if (got !== digest) throw new SondeError("DIGEST_MISMATCH", `expected ${digest}, got ${got}`);
    const gotContent = contentDigest(readArchive(archive));
    if (gotContent === content) return null;
    throw new SondeError("DIGEST_MISMATCH", `expected content ${content}, got ${gotContent}`);
  } catch (thrown) {
    if (!(thrown instanceof SondeError)) throw thrown;
    return { code: thrown.code, message: thrown.message };
  }
}
