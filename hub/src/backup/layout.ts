import { Timestamp, Uuid, Version } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { LogHead } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";

// A backup is a tar with plain headers inside an age file:
//
//   backup.json           BackupManifest
//   file/F/C              chunk C of file F of the manifest
//   table/T/C             chunk C of table T, in the text format of COPY
//
// A chunk is at most 1 MiB, so that neither side holds more. Numbers begin at 1.

const closed = { additionalProperties: false } as const;

export const MAX_CHUNK_BYTES = 1024 * 1024;

/** A path below the data folder, without a step out of it. */
const RelativePath = Type.String({
  pattern: "^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,4}$",
  maxLength: 300,
});

export const BackupManifest = Type.Object(
  {
    format: Type.Literal(1),
    release: Version,
    hubId: Uuid,
    at: Timestamp,
    /** The head of the audit log in this backup. */
    auditHead: LogHead,
    /** Epoch of the key set; the restored hub has a higher one. */
    epoch: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    files: Type.Array(RelativePath, { maxItems: 20_000 }),
    /** In an order in which each refers to earlier ones only. */
    tables: Type.Array(Type.String({ pattern: "^[a-z_]{1,60}$" }), { maxItems: 200 }),
    /** Names of the migrations that made these tables. */
    migrations: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 1000 }),
  },
  closed,
);
export type BackupManifest = Static<typeof BackupManifest>;
export const parseBackupManifest = buildParser(BackupManifest, "backup.json", "BACKUP_INVALID");

export const MANIFEST = { name: "backup.json", maxBytes: 8 * 1024 * 1024 };

export function chunkMember(kind: "file" | "table", index: number, chunk: number) {
  return { name: `${kind}/${index + 1}/${chunk + 1}`, maxBytes: MAX_CHUNK_BYTES };
}
