import { readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Database } from "@sonde/database";
import { RELEASE } from "@sonde/schemas/release";
import { EXPORT_END, encodeMember } from "@sonde/trust/export";
import type { ReservedSql } from "postgres";
import { type BackupManifest, chunkMember, MANIFEST, MAX_CHUNK_BYTES } from "./layout.ts";
import { listTables } from "./tables.ts";

export type BackupSource = {
  sql: Database["sql"];
  hubId: string;
  epoch: number;
  now: Date;
  /** By the path in the data folder: where each file of the backup is now, or what it holds. */
  files: ReadonlyMap<string, string | Buffer>;
};

/** Not copied: the database itself, which is read as rows, and what only a running hub has. */
const LEFT_OUT = /^(postgres.*|run|logs|.*\.lock|.*\.new|.*\.log)$/;

/** The files below a folder, by their path in it. */
export function listFiles(folder: string): Map<string, string> {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = found.flatMap((entry) => {
    if (!entry.isFile()) return [];
    const path = join(entry.parentPath, entry.name);
    return [[path.slice(folder.length + 1), path] as const];
  });
  return new Map(paths.filter(([name]) => !name.split("/").some((part) => LEFT_OUT.test(part))));
}

/**
 * Yields a backup piece by piece. All rows are of one moment, while the hub goes on. Nothing is held
 * but one chunk.
 */
export async function* writeBackup(
  source: BackupSource,
  onManifest: (manifest: BackupManifest) => void,
): AsyncGenerator<Buffer> {
  const session = await source.sql.reserve();
  try {
    await session`begin isolation level repeatable read read only`;
    const manifest = await describe(session, source);
    onManifest(manifest);
    yield encodeMember(MANIFEST, Buffer.from(JSON.stringify(manifest)));
    for (const [index, name] of manifest.files.entries()) {
      yield* encodeChunks("file", index, readChunks(source.files.get(name) ?? ""));
    }
    for (const [index, name] of manifest.tables.entries()) {
      yield* encodeChunks("table", index, readRows(session, name));
    }
    yield EXPORT_END;
  } finally {
    await session`rollback`;
    session.release();
  }
}

async function describe(
  session: ReservedSql,
  { hubId, epoch, now, files }: BackupSource,
): Promise<BackupManifest> {
  const [head] = await session<{ size: number; hash: string }[]>`
    select size::float8 as size, hash from audit_head`;
  if (head === undefined) throw new Error("audit_head has no row");
  const migrations = await session<{ name: string }[]>`
    select name from schema_migrations order by position`;
  return {
    ...{ format: 1, release: RELEASE, hubId, at: now.toISOString(), epoch },
    auditHead: { size: head.size, hash: head.hash },
    files: [...files.keys()].toSorted(),
    tables: await listTables(session),
    migrations: migrations.map(({ name }) => name),
  };
}

/** The rows of a table in the text format of COPY. */
async function* readRows(session: ReservedSql, table: string): AsyncGenerator<Buffer> {
  const rows = await session`copy ${session(table)} to stdout`.readable();
  yield* rows as AsyncIterable<Buffer>;
  // postgres.js pauses its socket when a row fills the stream, and resumes it in `_read`. After the
  // last row Node does not call that any more, and the next query would never be answered.
  rows._read(0);
}

async function* readChunks(path: string | Buffer): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(path)) return yield path;
  const file = await open(path, "r");
  try {
    yield* file.createReadStream({ highWaterMark: MAX_CHUNK_BYTES, autoClose: false });
  } finally {
    await file.close();
  }
}

/** Cuts bytes of any sizes into members. Nothing at all is one empty member. */
async function* encodeChunks(
  kind: "file" | "table",
  index: number,
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  let chunk = 0;
  const flush = () => {
    const member = encodeMember(chunkMember(kind, index, chunk), Buffer.concat(held, size));
    [held, size, chunk] = [[], 0, chunk + 1];
    return member;
  };
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + MAX_CHUNK_BYTES - size);
      held.push(part);
      [size, at] = [size + part.length, at + part.length];
      if (size === MAX_CHUNK_BYTES) yield flush();
    }
  }
  if (size > 0 || chunk === 0) yield flush();
}
