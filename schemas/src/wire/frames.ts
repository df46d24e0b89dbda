import { type ErrorCode, SondeError } from "../errors.ts";
import { parseJson } from "../parse/validator.ts";

// The one format of all our messages. The head is JSON that says what the message is; the body is
// opaque bytes, so that a process that only forwards a message need not parse the body.
//
//   4 bytes   length of the head, big-endian
//   head      JSON in UTF-8
//   body      bytes, to the end of the frame
//
// A WebSocket message is one frame. On a byte stream, the frame's length in 4 bytes precedes it.

export type Frame = { head: unknown; body: Buffer };

/**
 * Caps of one frame for a reader. A frame is never longer than head, body and length field
 * together.
 */
export type FrameLimits = { maxHeadBytes: number; maxBodyBytes: number };

/** Caps between agent, runner and pack host. */
const MAX_HEAD_BYTES = 1024 * 1024;
export const MAX_BODY_BYTES = 32 * 1024 * 1024;
const STREAM_LIMITS: FrameLimits = { maxHeadBytes: MAX_HEAD_BYTES, maxBodyBytes: MAX_BODY_BYTES };

const LENGTH = 4;
const NOTHING = new Uint8Array(0);

/** One frame as one message, without a length before it. */
export function encodeFrame(head: unknown, body: Uint8Array = NOTHING): Buffer {
  return layOut(0, encodeHead(head), body);
}

/**
 * Parses a message that is one whole frame.
 *
 * @throws SondeError with `code`
 */
export function decodeFrame(message: Buffer, maxHeadBytes: number, code: ErrorCode): Frame {
  const length = message.length < LENGTH ? Infinity : message.readUInt32BE(0);
  if (length > maxHeadBytes || LENGTH + length > message.length) {
    throw new SondeError(
      code,
      `expected a frame with a head of at most ${maxHeadBytes} bytes, got one of ${length}`,
    );
  }
  return cut(message.subarray(LENGTH), length, code);
}

/**
 * One frame preceded by its length, for a byte stream.
 *
 * @throws SondeError RESULT_TOO_LARGE when it exceeds every reader's caps
 */
export function encodeStreamFrame(head: unknown, body: Uint8Array = NOTHING): Buffer {
  const bytes = encodeHead(head);
  if (bytes.length > MAX_HEAD_BYTES || body.length > MAX_BODY_BYTES) {
    throw new SondeError(
      "RESULT_TOO_LARGE",
      `expected at most ${MAX_HEAD_BYTES} and ${MAX_BODY_BYTES} bytes, got ${bytes.length} and ${body.length}`,
    );
  }
  const frame = layOut(LENGTH, bytes, body);
  frame.writeUInt32BE(frame.length - LENGTH, 0);
  return frame;
}

/**
 * Cuts a byte stream into frames. Each byte is copied once, whatever the chunk sizes. The peer may
 * be hostile, so a length above a cap is refused before memory is allocated for it.
 */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #limits: FrameLimits;
  /** The lengths of the frame and of its head. */
  readonly #lengths = Buffer.alloc(2 * LENGTH);
  #headBytes = 0;
  /** Head and body of the present frame; null until its lengths are known. */
  #content: Buffer | null = null;
  #filled = 0;

  constructor(onFrame: (frame: Frame) => void, limits = STREAM_LIMITS) {
    this.#onFrame = onFrame;
    this.#limits = limits;
  }

  /**
   * @throws SondeError BAD_REQUEST, after which the stream is unusable. Passes on what `onFrame`
   *   throws.
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const target = this.#content ?? this.#lengths;
      const copied = chunk.copy(target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < target.length) return;
      this.#filled = 0;
      if (this.#content === null) this.#begin();
      else this.#end(this.#content);
    }
  }

  #begin(): void {
    const { maxHeadBytes, maxBodyBytes } = this.#limits;
    const contentBytes = this.#lengths.readUInt32BE(0) - LENGTH;
    const headBytes = this.#lengths.readUInt32BE(LENGTH);
    if (headBytes === 0 || headBytes > maxHeadBytes) {
      throw new SondeError("BAD_REQUEST", `a frame's head of ${headBytes} bytes is not taken`);
    }
    if (headBytes > contentBytes || contentBytes - headBytes > maxBodyBytes) {
      throw new SondeError("BAD_REQUEST", `a frame of ${contentBytes} bytes is not taken`);
    }
    this.#headBytes = headBytes;
    this.#content = Buffer.allocUnsafe(contentBytes);
  }

  #end(content: Buffer): void {
    this.#content = null;
    this.#onFrame(cut(content, this.#headBytes, "BAD_REQUEST"));
  }
}

function encodeHead(head: unknown): Buffer {
  return Buffer.from(JSON.stringify(head), "utf8");
}

function layOut(before: number, head: Buffer, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(before + LENGTH + head.length + body.length);
  frame.writeUInt32BE(head.length, before);
  frame.set(head, before + LENGTH);
  frame.set(body, before + LENGTH + head.length);
  return frame;
}

function cut(content: Buffer, headBytes: number, code: ErrorCode): Frame {
  return {
    head: parseJson(content.subarray(0, headBytes), "a frame's head", code),
    body: content.subarray(headBytes),
  };
}
