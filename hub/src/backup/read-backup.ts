import { mkdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Database } from "@sonde/database";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { createExportReader, type ExportReader } from "@sonde/trust/export";
import type { ReservedSql } from "postgres";
import { type BackupManifest, chunkMember, MANIFEST, parseBackupManifest } from "./layout.ts";
import { raiseSequences } from "./tables.ts";

/** Reads a backup from its start to its end, in this order: manifest, files, tables. */
export type BackupReader = {
  manifest: BackupManifest;
  /** Writes the files below a folder. Each is this user's alone. */
  readFiles(folder: string): Promise<void>;
  /**
   * Fills the tables of a database that was migrated to this release and has no rows of a hub.
   *
   * @throws SondeError BACKUP_INVALID; nothing was changed
   */
  readTables(sql: Database["sql"]): Promise<void>;
};

/** @throws SondeError BACKUP_INVALID for what is no backup, or one of a newer release */
export async function openBackup(
  chunks: AsyncIterable<Uint8Array>,
  knownMigrations: readonly string[],
): Promise<BackupReader> {
  const reader = createExportReader(chunks);
  const bytes = await reader.demand(MANIFEST);
  const manifest = parseBackupManifest(parseJson(bytes, MANIFEST.name, "BACKUP_INVALID"));
  const unknown = manifest.migrations.filter((name) => !knownMigrations.includes(name));
  if (unknown.length > 0) {
    throw new SondeError(
      "BACKUP_INVALID",
      `expected a backup of this release or an earlier one, got one of ${manifest.release}`,
    );
  }
  return {
    manifest,
    async readFiles(folder) {
      for (const [index, name] of manifest.files.entries()) {
        const path = join(folder, name);
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        const file = await open(path, "wx", 0o600);
        try {
          for await (const chunk of takeChunks(reader, "file", index)) await file.write(chunk);
          await file.sync();
        } finally {
          await file.close();
        }
      }
    },
    async readTables(sql) {
      const session = await sql.reserve();
      try {
        await session`begin`;
        await fill(session, reader, manifest);
        await session`commit`;
      } catch (thrown) {
        await session`rollback`;
        throw thrown;
      } finally {
        session.release();
      }
    },
  };
}

async function fill(
  session: ReservedSql,
  reader: ExportReader,
  { tables, auditHead }: BackupManifest,
): Promise<void> {
  // Migrations put a first row into some tables.
  for (const name of tables.toReversed()) await session`delete from ${session(name)}`;
  for (const [index, name] of tables.entries()) {
    const rows = await session`copy ${session(name)} from stdin`.writable();
    await pipeline(takeChunks(reader, "table", index), rows);
  }
  await reader.demandEnd();
  await raiseSequences(session);
  const [head] = await session<{ size: number; hash: string }[]>`
    select size::float8 as size, hash from audit_head`;
  if (head?.size !== auditHead.size || head.hash !== auditHead.hash) {
    throw new SondeError("BACKUP_INVALID", "expected the audit log that the backup names");
  }
}

async function* takeChunks(
  reader: ExportReader,
  kind: "file" | "table",
  index: number,
): AsyncGenerator<Buffer> {
  yield await reader.demand(chunkMember(kind, index, 0));
  for (let chunk = 1; ; chunk++) {
    const bytes = await reader.take(chunkMember(kind, index, chunk));
    if (bytes === null) return;
    yield bytes;
  }
}
