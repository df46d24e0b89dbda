import { SondeError } from "@sonde/schemas/errors";

const NEW_LINE = 0x0a;
/** An attestation with all agents of a large fleet takes a few megabytes. */
const MAX_LINE = 32 * 1024 * 1024;

/** Whole lines, with their ends. It has its memory for itself, so it can be given to a thread. */
export type Piece = Uint8Array<ArrayBuffer>;

/**
 * Cuts bytes into pieces of whole lines. Those that end in one chunk come together: to wait for each
 * takes as long as to read it.
 *
 * @param chunks each shorter than the longest line
 * @throws SondeError AUDIT_UNAVAILABLE for a line that is too long, or that does not end
 */
export async function* readPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  let open: Buffer[] = [];
  let openBytes = 0;
  for await (const chunk of chunks) {
    const first = chunk.indexOf(NEW_LINE);
    if (openBytes + (first === -1 ? chunk.length : first) > MAX_LINE) {
      throw new SondeError("AUDIT_UNAVAILABLE", `expected lines of at most ${MAX_LINE} bytes`);
    }
    const end = chunk.lastIndexOf(NEW_LINE) + 1;
    if (end > 0) {
      yield join([...open, chunk.subarray(0, end)], openBytes + end);
      open = [];
      openBytes = 0;
    }
    open.push(chunk.subarray(end));
    openBytes += chunk.length - end;
  }
  if (openBytes > 0) throw new SondeError("AUDIT_UNAVAILABLE", "the last line is not whole");
}

/** The lines of a piece, without their ends. */
export function splitLines(piece: Uint8Array): Uint8Array[] {
  const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  const lines: Uint8Array[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(NEW_LINE, from);
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return lines;
}

function join(parts: readonly Uint8Array[], bytes: number): Piece {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
