import { SondeError } from "@sonde/schemas/errors";

/** What each line begins with, by the first byte of its frame: input, output, errors, the engine's own. */
const STREAMS = ["out ", "out ", "err ", "err "];
const HEADER_BYTES = 8;
const LINE_END = 0x0a;

/**
 * Splits what a container wrote, as an engine sends it (its API, "Stream format"): frames of a header
 * with stream and length, or the bare bytes of a terminal. Each line is given with the stream that it
 * came from before it, so that none can claim another one.
 *
 * A line that an engine sends in several frames ends with the first: what follows has a time of its own
 * in the middle of what may be a secret.
 *
 * @throws SondeError READ_FAILED for bytes that are no frame
 */
export async function* splitOutput(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const splitter = new OutputSplitter();
  for await (const chunk of chunks) yield* splitter.take(chunk);
  yield* splitter.end();
}

class OutputSplitter {
  #header = Buffer.alloc(0);
  #isTerminal: boolean | undefined;
  #stream = 0;
  #left = 0;
  #isLineStart = true;
  /** Streams whose last frame ended within a line. */
  readonly #open = new Set<number>();
  #isSkipping = false;

  *take(chunk: Buffer): Generator<Buffer> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#isTerminal === true) return yield* this.#lines("tty ", rest);
      if (this.#left > 0) {
        const part = rest.subarray(0, this.#left);
        this.#left -= part.length;
        rest = rest.subarray(part.length);
        yield* this.#lines(STREAMS[this.#stream] ?? "", part);
        if (this.#left === 0) yield* this.#endFrame();
        continue;
      }
      const wanted = HEADER_BYTES - this.#header.length;
      this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
      rest = rest.subarray(wanted);
      if (this.#header.length === HEADER_BYTES) yield* this.#begin();
    }
  }

  *end(): Generator<Buffer> {
    // A terminal may have sent less than a header has.
    if (this.#isTerminal === undefined && !isHeader(this.#header)) {
      yield* this.#lines("tty ", this.#header);
    } else if (this.#left > 0 || this.#header.length > 0) {
      throw new SondeError("READ_FAILED", "expected a whole frame of a container's output");
    }
    if (!this.#isLineStart) yield Buffer.of(LINE_END);
  }

  *#begin(): Generator<Buffer> {
    const header = this.#header;
    this.#header = Buffer.alloc(0);
    if (this.#isTerminal === undefined) {
      this.#isTerminal = !isHeader(header);
      if (this.#isTerminal) return yield* this.#lines("tty ", header);
    }
    if (!isHeader(header)) {
      throw new SondeError("READ_FAILED", "expected the header of a container's output");
    }
    this.#stream = header.readUInt8(0);
    this.#left = header.readUInt32BE(4);
    this.#isSkipping = this.#open.has(this.#stream);
  }

  *#endFrame(): Generator<Buffer> {
    const isOpen = !this.#isLineStart || this.#isSkipping;
    if (isOpen) this.#open.add(this.#stream);
    else this.#open.delete(this.#stream);
    if (!this.#isLineStart) yield Buffer.of(LINE_END);
    this.#isLineStart = true;
    this.#isSkipping = false;
  }

  *#lines(prefix: string, bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const found = bytes.indexOf(LINE_END, at);
      const next = found === -1 ? bytes.length : found + 1;
      if (!this.#isSkipping) {
        if (this.#isLineStart) yield Buffer.from(prefix);
        yield bytes.subarray(at, next);
        this.#isLineStart = found !== -1;
      } else if (found !== -1) {
        this.#isSkipping = false;
      }
      at = next;
    }
  }
}

/** A time, which an engine puts before each line, begins with a digit. */
function isHeader(bytes: Buffer): boolean {
  return bytes.every((byte, at) => (at === 0 ? byte < STREAMS.length : at > 3 || byte === 0));
}
