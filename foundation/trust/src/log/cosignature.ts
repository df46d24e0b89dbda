import { SondeError } from "@sonde/schemas/errors";
import type { SigningKey } from "../envelope/keys.ts";
import { parseCheckpoint, type StatedCheckpoint } from "./checkpoint.ts";
import { inconsistent } from "./inconsistent.ts";
import {
  cosignText,
  isSignedNote,
  type NoteKey,
  readCosignature,
  splitNote,
  type UnverifiedNote,
} from "./signed-note.ts";

/** A checkpoint of any log, of which no signature was verified yet. */
export type ForeignCheckpoint = {
  readonly stated: StatedCheckpoint;
  readonly note: UnverifiedNote;
};

/** @throws SondeError REGISTRY_LOG_INCONSISTENT for anything but the note of a checkpoint */
export function readForeignCheckpoint(text: string): ForeignCheckpoint {
  const note = splitNote(text);
  const stated = parseCheckpoint(note.text);
  if (stated !== null) return { stated, note };
  throw inconsistent("expected the origin, size and root of a checkpoint, got others");
}

/** True when one of these keys, of the checkpoint's own log, signed it. */
export function isSignedByLog(
  { stated, note }: ForeignCheckpoint,
  keys: readonly NoteKey[],
): boolean {
  return keys.some((key) => key.name === stated.origin && isSignedNote(note, key));
}

/** The line by which a witness says that it saw this checkpoint (C2SP tlog-cosignature). */
export function cosignCheckpoint(
  { note }: ForeignCheckpoint,
  witness: NoteKey,
  signer: Pick<SigningKey, "sign">,
  at: Date,
): string {
  return cosignText(note.text, witness, signer, at);
}

/** A checkpoint as a witness cosigned it, and when. */
export type Cosigned = { readonly stated: StatedCheckpoint; readonly at: Date };

/** @returns null when it is no checkpoint, or this witness did not cosign it */
export function openCosigned(text: string, witness: NoteKey): Cosigned | null {
  try {
    const { stated, note } = readForeignCheckpoint(text);
    const at = readCosignature(note, witness);
    return at === null ? null : { stated, at };
  } catch (thrown) {
    if (thrown instanceof SondeError) return null;
    throw thrown;
  }
}
