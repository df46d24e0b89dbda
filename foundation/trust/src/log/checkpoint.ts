import { SondeError } from "@sonde/schemas/errors";
import type { SigningKey } from "../envelope/keys.ts";
import type { Tree } from "./merkle.ts";
import { type NoteKey, openNote, signNote } from "./signed-note.ts";

/** A log's head as its key signed it (C2SP tlog-checkpoint v1.0.0). */
export type Checkpoint = Tree & {
  /** When the log's key last signed this head, in whole seconds. */
  readonly at: Date;
  /** The signed note itself. */
  readonly note: string;
};

/** Signs a checkpoint. The origin line is the name of the log's key. */
export function signCheckpoint(
  { size, root }: Tree,
  key: NoteKey,
  signer: Pick<SigningKey, "sign">,
  at: Date,
): string {
  return signNote(`${key.name}\n${size}\n${root.toString("base64")}\n`, key, signer, at);
}

/**
 * @throws SondeError REGISTRY_LOG_INCONSISTENT for anything but a checkpoint that this
 *   key signed
 */
export function openCheckpoint(note: string, key: NoteKey): Checkpoint {
  const { text, at } = openNote(note, key);
  const stated = parseCheckpoint(text);
  // Extension lines have no meaning here and are refused.
  if (stated?.origin === key.name && stated.extensions === 0) {
    return { size: stated.size, root: stated.root, at, note };
  }
  throw new SondeError(
    "REGISTRY_LOG_INCONSISTENT",
    `checkpoint: expected origin ${key.name}, a size and a root, got others`,
  );
}

/** What the text of a checkpoint states: of which log, and how many extension lines it has. */
export type StatedCheckpoint = Tree & { readonly origin: string; readonly extensions: number };

/** Reads the text of a note; null when it is no checkpoint. Nobody has verified a signature. */
export function parseCheckpoint(text: string): StatedCheckpoint | null {
  const [origin = "", sizeText = "", rootText = "", ...rest] = text.split("\n");
  const root = Buffer.from(rootText, "base64");
  const size = Number(sizeText);
  const extensions = rest.slice(0, -1);
  const isSound =
    isPlain(origin) &&
    /^(0|[1-9][0-9]{0,15})$/.test(sizeText) &&
    Number.isSafeInteger(size) &&
    root.length === 32 &&
    root.toString("base64") === rootText &&
    rest.at(-1) === "" &&
    extensions.every(isPlain);
  return isSound ? { origin, size, root, extensions: extensions.length } : null;
}

/** True for a line of a note: it has something, and no control characters. */
function isPlain(line: string): boolean {
  return line !== "" && Array.from(line).every((character) => character >= " ");
}
