import { SondeError } from "@sonde/schemas/errors";

// The body of a request by C2SP tlog-witness: an old size, a consistency proof, and a checkpoint.

/** Also the most that a witness has to read. */
export const MAX_ADD_BYTES = 16 * 1024;
const MAX_PROOF = 63;
const HASH_BYTES = 32;
const SIZE = /^(0|[1-9][0-9]{0,15})$/;

export type AddCheckpoint = {
  /** The entries that the witness has seen. */
  from: number;
  /** That the log begins with them (RFC 6962, 2.1.2). */
  proof: readonly Buffer[];
  /** The signed note of the checkpoint. */
  note: string;
};

export function writeAddCheckpoint({ from, proof, note }: AddCheckpoint): string {
  const lines = proof.map((hash) => `${hash.toString("base64")}\n`).join("");
  return `old ${from}\n${lines}\n${note}`;
}

/** @throws SondeError BAD_REQUEST */
export function parseAddCheckpoint(bytes: Buffer): AddCheckpoint {
  const text = readText(bytes);
  const end = text.indexOf("\n\n");
  const [first = "", ...lines] = end === -1 ? [] : text.slice(0, end).split("\n");
  const from = parseSize(/^old (.+)$/.exec(first)?.[1]);
  if (from === null) throw refused("a line of `old` and a size, and an empty line after the proof");
  if (lines.length > MAX_PROOF) throw refused(`at most ${MAX_PROOF} lines of proof`);
  const proof = lines.map((line) => Buffer.from(line, "base64"));
  const isSound = proof.every(
    (hash, index) => hash.length === HASH_BYTES && hash.toString("base64") === lines[index],
  );
  if (!isSound) throw refused("hashes of 32 bytes in base64");
  return { from, proof, note: text.slice(end + 2) };
}

/** A size in decimal without leading zeros; null for any other text. */
export function parseSize(text: string | undefined): number | null {
  const size = Number(text);
  return text !== undefined && SIZE.test(text) && Number.isSafeInteger(size) ? size : null;
}

function readText(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", "add-checkpoint: expected UTF-8, got other bytes", {
      cause,
    });
  }
}

function refused(expected: string): SondeError {
  return new SondeError("BAD_REQUEST", `add-checkpoint: expected ${expected}, got other lines`);
}
