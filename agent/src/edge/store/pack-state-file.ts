import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import {
  Digest,
  PackName,
  SondeError,
  Uuid,
  Version,
  buildParser,
  parseJson,
} from "@sonde/schemas";
import { type Static, Type } from "typebox";
import { syncDirectory } from "./sync-directory.ts";

const closed = { additionalProperties: false } as const;
const Archive = Type.Union([
  Type.Object({ version: Version, digest: Digest }, closed),
  Type.Null(),
]);

/** What an agent must not forget: states themselves follow from grants at every start. */
export const PackStateFile = Type.Object(
  {
    hubId: Uuid,
    /** Of the desired state that was applied last; never goes back. */
    revision: Type.Integer({ minimum: 0 }),
    packs: Type.Array(
      Type.Object({ name: PackName, current: Archive, candidate: Archive }, closed),
      {
        maxItems: 200,
      },
    ),
  },
  closed,
);
export type PackStateFile = Static<typeof PackStateFile>;

const parsePackStateFile = buildParser(PackStateFile, "pack state", "STARTING_FAILED");

/**
 * Reads the file; null when there is none yet.
 *
 * @throws SondeError STARTING_FAILED when it is not what was written
 */
export function readPackState(path: string): PackStateFile | null {
  if (!existsSync(path)) return null;
  return parsePackStateFile(parseJson(readFileSync(path), path, "STARTING_FAILED"));
}

/** Replaces the file whole and durably: a crash leaves the old or the new one. */
export function writePackState(path: string, state: PackStateFile): void {
  const temporary = `${path}.new`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const fd = openSync(temporary, flags, 0o600);
  try {
    const bytes = Buffer.from(`${JSON.stringify(state, null, 1)}\n`);
    if (writeSync(fd, bytes) !== bytes.length) {
      throw new SondeError("STARTING_FAILED", `${path}: expected the whole file to be written`);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}
