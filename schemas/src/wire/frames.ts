import { SondeError } from "../errors.ts";
import { parseJson } from "../parse/validator.ts";

/** The largest frame in either direction between agent, runner and pack host. */
export const MAX_FRAME_BYTES = 32 * 1024 * 1024;
const HEADER = 4;

/**
 * One frame: four bytes of length, big-endian, then JSON in UTF-8.
 *
 * @throws SondeError RESULT_TOO_LARGE when it would be over MAX_FRAME_BYTES
 */
export function encodeFrame(value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value), "utf8");
  if (body.length > MAX_FRAME_BYTES) {
    throw new SondeError(
      "RESULT_TOO_LARGE",
      `expected at most ${MAX_FRAME_BYTES} bytes, got ${body.length}`,
    );
  }
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt32BE(body.length);
  return Buffer.concat([header, body]);
}

/**
 * Cuts a byte stream into frames. The other side may be hostile: a length over the cap
 * is refused before anything is kept for it.
 */
export class FrameReader {
  readonly #onFrame: (value: unknown) => void;
  #chunks: Buffer[] = [];
  #held = 0;
  #wanted: number | null = null;

  constructor(onFrame: (value: unknown) => void) {
    this.#onFrame = onFrame;
  }

  /** @throws SondeError BAD_REQUEST: the stream is of no use afterwards. Passes on what `onFrame` throws. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    for (;;) {
      if (this.#wanted === null) {
        if (this.#held < HEADER) return;
        this.#wanted = this.#take(HEADER).readUInt32BE();
        if (this.#wanted > MAX_FRAME_BYTES) {
          throw new SondeError("BAD_REQUEST", `a frame of ${this.#wanted} bytes is too large`);
        }
      }
      if (this.#held < this.#wanted) return;
      const body = this.#take(this.#wanted);
      this.#wanted = null;
      this.#onFrame(parseJson(body, "frame", "BAD_REQUEST"));
    }
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const bytes = all ?? Buffer.alloc(0);
    const rest = bytes.subarray(length);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    return bytes.subarray(0, length);
  }
}
