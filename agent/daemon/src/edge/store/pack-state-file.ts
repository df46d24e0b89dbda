import { existsSync, readFileSync } from "node:fs";
import { Digest, PackName, Uuid, Version } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { MAX_PACKS } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";
import { replaceFile } from "@sonde/files";

const closed = { additionalProperties: false } as const;
const Archive = Type.Union([
  Type.Object({ version: Version, digest: Digest }, closed),
  Type.Null(),
]);

/** What the agent must remember. The states of packs are computed from grants at every start. */
export const PackStateFile = Type.Object(
  {
    hubId: Uuid,
    /** Revision of the desired state that was applied last. Never decreases. */
    revision: Type.Integer({ minimum: 0 }),
    floors: Type.Record(PackName, Version, { additionalProperties: false }),
    packs: Type.Array(
      Type.Object({ name: PackName, current: Archive, candidate: Archive }, closed),
      {
        maxItems: MAX_PACKS,
      },
    ),
  },
  closed,
);
export type PackStateFile = Static<typeof PackStateFile>;

const parsePackStateFile = buildParser(PackStateFile, "pack state", "STARTING_FAILED");

/**
 * Reads the file. Returns null when there is none yet.
 *
 * @throws SondeError STARTING_FAILED when its content is not valid
 */
export function readPackState(path: string): PackStateFile | null {
  if (!existsSync(path)) return null;
  return parsePackStateFile(parseJson(readFileSync(path), path, "STARTING_FAILED"));
}

/** Replaces the file atomically and durably: after a crash it is either the old or the new one. */
export function writePackState(path: string, state: PackStateFile): void {
  replaceFile(path, `${JSON.stringify(state, null, 1)}\n`, 0o600);
}
