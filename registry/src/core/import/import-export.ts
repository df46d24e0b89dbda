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

/** A version of the log, and whether this registry has its archive already. */
export type LoggedVersion = {
  entry: PublishEntry;
  logIndex: number;
  isPresent: boolean;
  /** By the whole log: nobody gets it, so an export may be without its archive. */
  isQuarantined: boolean;
};

/** Where an import goes. Nothing is seen by others before all of it is there. */
export type ImportTarget = {
  /** What earlier imports left: all that is served now. */
  head: Frontier;
  checkpoint: string | null;
  /** Appends an entry with what it makes of its pack. */
  append(entry: RegistryEntry, bytes: Uint8Array): Promise<void>;
  keepCheckpoint(note: string): Promise<void>;
  /** Every version that the log publishes, in its order, of what was appended too. */
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
  /** The operator's word on whose log it must be; the file has no say. */
  key: NoteKey;
  target: ImportTarget;
  now: Date;
};

/**
 * Takes an export into a mirror. The log comes first and is followed from its
 * first entry: it must go on from what this registry has, and lead to a head that
 * the key signed. Every archive after it must be what that log says of it.
 *
 * The head may be of any age: how old is too old is for those who read the log to
 * say. So are signatures: agents verify them by policies of their own, and what
 * this registry said of them would count for nothing.
 *
 * @throws SondeError EXPORT_INVALID, REGISTRY_LOG_INCONSISTENT, DIGEST_MISMATCH,
 *   ARCHIVE_INVALID, MANIFEST_INVALID; the target then keeps nothing
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
  // Of the same log an older head would only be refused sooner.
  const before = target.checkpoint === null ? null : openCheckpoint(target.checkpoint, key);
  const isOlder = before?.size === checkpoint.size && before.at > checkpoint.at;
  if (!isOlder) await target.keepCheckpoint(note);
  return { checkpoint: isOlder ? before : checkpoint, frontier, trustedRoot };
}

/** What it decides is for the people who pin it; here it is only carried. */
async function takeTrustedRoot(file: ExportReader): Promise<string | null> {
  const bytes = await file.take(TRUSTED_ROOT);
  if (bytes === null) return null;
  const text = readText(bytes, TRUSTED_ROOT);
  try {
    parseTrustedRoot(JSON.parse(text));
  } catch (cause) {
    throw invalid(`expected a trusted root, got another file`, cause);
  }
  return text;
}

/** Text as the database keeps it. */
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
    // The log does not cover bundles: one that was spoilt on the way is mended by the next.
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
