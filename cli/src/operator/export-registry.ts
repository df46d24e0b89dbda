import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { type FollowedRegistry } from "@sonde/schemas/trust";
import { type LogHead } from "@sonde/schemas/wire";
import { fetchFile } from "@sonde/trust/admit";
import {
  archiveMember,
  bundleMember,
  CHECKPOINT,
  encodeMember,
  entriesMember,
  EXPORT_END,
  type ExportMember,
  TRUSTED_ROOT,
} from "@sonde/trust/export";
import { fetchLogged, logFilesOf, walkLog } from "./walk-registry.ts";

export type ExportRequest = {
  source: FollowedRegistry;
  /** Sigstore's trusted root (JSON), to be included. */
  trustedRoot: string | null;
  /** Log size: archives of versions that were published below this size are left out. */
  since: number;
  to: string;
  /** Called before each archive is fetched. */
  onVersion: (done: number, total: number) => void;
};

/** What an export contains. */
export type RegistryExport = {
  head: LogHead;
  at: string;
  archives: number;
  /** Versions without their archive: quarantined ones, and those that `since` left out. */
  quarantined: number;
  earlier: number;
};

/**
 * Writes a registry into one file: its whole log, and every archive with its bundle, each compared
 * with the log first. Holds one archive in memory at a time. The write is atomic and durable.
 *
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, CONFIG_INVALID,
 *   DIGEST_MISMATCH, ARCHIVE_INVALID, NOT_FOUND, RIGHT_MISSING
 */
export async function exportRegistry(request: ExportRequest): Promise<RegistryExport> {
  const { to } = request;
  const temporary = `${to}.new`;
  try {
    // Exclusive creation: a link that somebody put at this path is not followed.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", 0o644);
    try {
      const exported = await writeExport(file, request);
      await file.sync();
      await rename(temporary, to);
      return exported;
    } finally {
      await file.close();
    }
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof SondeError || !(cause instanceof Error && "code" in cause)) throw cause;
    const sentence = `${to}: expected a file that can be written, got ${String(cause.code)}`;
    throw new SondeError("RIGHT_MISSING", sentence, { cause });
  }
}

async function writeExport(file: FileHandle, request: ExportRequest): Promise<RegistryExport> {
  const { source, trustedRoot, since, onVersion } = request;
  const put = (member: ExportMember, bytes: Uint8Array) =>
    file.writeFile(encodeMember(member, bytes));
  const log = await walkLog(source, {
    async readCheckpoint() {
      const note = await logFilesOf(source).readCheckpoint();
      await put(CHECKPOINT, Buffer.from(note));
      if (trustedRoot !== null) await put(TRUSTED_ROOT, Buffer.from(trustedRoot));
      return note;
    },
    async readTile(id) {
      const bytes = await logFilesOf(source).readTile(id);
      await put(entriesMember(id), bytes);
      return bytes;
    },
  });
  const exported = { head: log.head, at: log.at, archives: 0, quarantined: 0, earlier: 0 };
  for (const [index, entry] of log.published.entries()) {
    onVersion(index, log.published.length);
    if (log.isQuarantined(entry)) exported.quarantined += 1;
    // An earlier export may have left out a version that was quarantined at that time.
    else if (entry.logIndex < since && !log.wasQuarantined(entry)) exported.earlier += 1;
    else {
      await put(archiveMember(entry.digest), await fetchLogged(source, entry));
      const member = bundleMember(entry.digest);
      const path = `api/v1/packs/${entry.name}/${entry.version}/bundle`;
      const bundle = await fetchFile(source, path, member.maxBytes);
      if (bundle === null) throw new SondeError("NOT_FOUND", `expected ${path}, got none`);
      await put(member, bundle);
      exported.archives += 1;
    }
  }
  await file.writeFile(EXPORT_END);
  return exported;
}
