import { SondeError } from "@sonde/schemas/errors";

/** Hard limit of the envelope part of a frame, in bytes. */
const MAX_ENVELOPE_BYTES = 16_384;

/**
 * One binary WebSocket message: a 4-byte big-endian length, the DSSE envelope
 * as JSON, then the body bytes to the end.
 */
export function joinFrame(envelope: string, body: Uint8Array): Buffer {
  const head = Buffer.from(envelope, "utf8");
  const frame = Buffer.allocUnsafe(4 + head.length + body.length);
  frame.writeUInt32BE(head.length, 0);
  frame.set(head, 4);
  frame.set(body, 4 + head.length);
  return frame;
}

export function splitFrame(frame: Buffer): { envelope: Buffer; body: Buffer } {
  if (frame.length < 4) {
    throw new SondeError("ENVELOPE_INVALID", `expected a frame, got ${frame.length} bytes`);
  }
  const length = frame.readUInt32BE(0);
  if (length > MAX_ENVELOPE_BYTES || 4 + length > frame.length) {
    throw new SondeError(
      "ENVELOPE_INVALID",
      `expected an envelope of at most ${MAX_ENVELOPE_BYTES} bytes inside the frame, got ${length}`,
    );
  }
  return { envelope: frame.subarray(4, 4 + length), body: frame.subarray(4 + length) };
}
