import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type ImportReport,
  type PublishEntry,
  type RegistryEntry,
  parseRegistryEntry,
} from "@sonde/schemas/registry";
import { parseTrustedRoot } from "@sonde/schemas/trust";
import { readLoggedArchive, readReadme } from "@sonde/trust/archive";
import {
  CHECKPOINT,
  type ExportMember,
  type ExportReader,
  TRUSTED_ROOT,
  archiveMember,
  bundleMember,
  entriesMember,
} from "@sonde/trust/export";
import {
  EMPTY_FRONTIER,
  type Frontier,
  type NoteKey,
  followLog,
  headOf,
  openCheckpoint,
} from "@sonde/trust/log";
import { bytesOf, parseManifest } from "@sonde/trust/pack";
import { checkRights } from "../publish/check-rights.ts";
import type { StoredVersion } from "../stored-version.ts";

/** A version that the log publishes, and whether this registry has its archive. */
export type LoggedVersion = {
  entry: PublishEntry;
  logIndex: number;
  isPresent: boolean;
  /**
   * By the whole log. A quarantined version is not served, so its archive may be missing in an
   * export.
   */
  isQuarantined: boolean;
};

/** Where an import writes. Other readers see nothing before the import is complete. */
export type ImportTarget = {
  /** The head of the earlier imports: what is served now. */
  head: Frontier;
  checkpoint: string | null;
  /** Appends an entry and applies it to its pack. */
  append(entry: RegistryEntry, bytes: Uint8Array): Promise<void>;
  keepCheckpoint(note: string): Promise<void>;
  /** Every version that the log publishes, in log order, appended entries included. */
  listVersions(): AsyncIterable<LoggedVersion>;
  insertVersion(
    version: StoredVersion,
    archive: Uint8Array,
    bundle: string,
    readme: string,
  ): Promise<void>;
  replaceBundle(entry: PublishEntry, bundle: string): Promise<void>;
};

export type ImportRequest = {
  file: ExportReader;
  /** Key of the mirrored log, from the configuration and never from the file. */
  key: NoteKey;
  target: ImportTarget;
  now: Date;
};

/**
 * Imports an export into a mirror. The log comes first and is followed from its first entry: it
 * must extend this registry's log and lead to a head that the key signed. Each later archive must
 * match its entry.
 *
 * The head may have any age: readers of the log decide which age is too old. Signatures of packs
 * are not verified here: agents verify them by their own policies.
 *
 * @throws SondeError EXPORT_INVALID, REGISTRY_LOG_INCONSISTENT, DIGEST_MISMATCH, ARCHIVE_INVALID,
 *   MANIFEST_INVALID; the target then keeps nothing
 */
export async function importExport(request: ImportRequest): Promise<ImportReport> {
  const { file, target } = request;
  const { checkpoint, frontier, trustedRoot } = await importLog(request);
  const report = { imported: 0, present: 0, quarantined: 0 };
  for await (const version of target.listVersions()) {
    report[await importVersion(file, target, version)] += 1;
  }
  await file.demandEnd();
  return { head: headOf(frontier), at: checkpoint.at.toISOString(), ...report, trustedRoot };
}

async function importLog({ file, key, target, now }: ImportRequest) {
  const note = readText(await file.demand(CHECKPOINT), CHECKPOINT);
  const trustedRoot = await takeTrustedRoot(file);
  const { checkpoint, frontier } = await followLog({
    key,
    from: EMPTY_FRONTIER,
    readCheckpoint: async () => note,
    readTile: (id) => file.demand(entriesMember(id)),
    seen: [headOf(target.head)],
    now,
    maxHeadAgeHours: Number.POSITIVE_INFINITY,
    async onEntry(bytes, index) {
      if (index < target.head.size) return;
      const value = parseJson(bytes, "registry log entry", "REGISTRY_LOG_INCONSISTENT");
      await target.append(parseRegistryEntry(value), bytes);
    },
  });
  // Two heads of the same size: keep the newer one, since readers refuse old heads.
  const before = target.checkpoint === null ? null : openCheckpoint(target.checkpoint, key);
  const isOlder = before?.size === checkpoint.size && before.at > checkpoint.at;
  if (!isOlder) await target.keepCheckpoint(note);
  return { checkpoint: isOlder ? before : checkpoint, frontier, trustedRoot };
}

/** Checks the form only. The people who pin a trusted root decide whether to trust it. */
async function takeTrustedRoot(file: ExportReader): Promise<string | null> {
  const bytes = await file.take(TRUSTED_ROOT);
  if (bytes === null) return null;
  const text = readText(bytes, TRUSTED_ROOT);
  try {
    parseTrustedRoot(parseJson(text, "trusted root", "EXPORT_INVALID"));
  } catch (cause) {
    throw invalid(`expected a trusted root, got another file`, cause);
  }
  return text;
}

/** Decodes text that the database can store: UTF-8 without zero bytes. */
function readText(bytes: Uint8Array, { name }: ExportMember): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch (cause) {
    throw invalid(`${name}: expected UTF-8, got other bytes`, cause);
  }
  throw invalid(`${name}: expected text, got zero bytes`);
}

function invalid(sentence: string, cause?: unknown): SondeError {
  return new SondeError("EXPORT_INVALID", `export: ${sentence}`, { cause });
}

async function importVersion(
  file: ExportReader,
  target: ImportTarget,
  { entry, logIndex, isPresent, isQuarantined }: LoggedVersion,
): Promise<"imported" | "present" | "quarantined"> {
  const { name, version, digest, contentDigest, at: publishedAt, signer } = entry;
  const mayBeMissing = isPresent || isQuarantined;
  const member = archiveMember(digest);
  const archive = await (mayBeMissing ? file.take(member) : file.demand(member));
  if (archive === null) return isPresent ? "present" : "quarantined";
  const files = readLoggedArchive(archive, entry);
  const bundle = readText(await file.demand(bundleMember(digest)), bundleMember(digest));
  if (isPresent) {
    // The log does not cover bundles, so the next import replaces a damaged one.
    await target.replaceBundle(entry, bundle);
    return "present";
  }
  const manifest = parseManifest(bytesOf(files, "pack.json"));
  checkRights({ name, version }, manifest);
  const stored = {
    name,
    version,
    digest,
    contentDigest,
    sizeBytes: archive.length,
    publishedAt,
    signer,
    manifest,
    checks: (["size", "archive", "manifest", "rights"] as const).map((step) => ({
      step,
      outcome: "passed" as const,
    })),
    warnings: [],
    logIndex,
  };
  await target.insertVersion(stored, archive, bundle, readReadme(files));
  return "imported";
}
