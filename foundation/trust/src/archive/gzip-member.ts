import { crc32, inflateRawSync } from "node:zlib";
import { SondeError } from "@sonde/schemas/errors";
import { MAX_ARCHIVE_BYTES, MAX_UNPACKED_BYTES } from "./archive-layout.ts";

// RFC 1952: deflate, no flags (so no name, comment or extra field), no time,
// no hint about compression, operating system unknown.
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const TRAILER_BYTES = 8;
// RFC 1951, 3.2.4: a stored block has its length, the inverted length and the bytes.
const STORED_BLOCK_MAX = 0xffff;

/**
 * Wraps bytes as one gzip member of stored (uncompressed) blocks. Deflate output differs
 * between zlib builds and processors; stored blocks do not. So anybody can rebuild the
 * same archive from the same source on another machine.
 */
export function buildGzipMember(content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [GZIP_HEADER];
  for (let at = 0; at < content.length; at += STORED_BLOCK_MAX) {
    const block = content.subarray(at, at + STORED_BLOCK_MAX);
    const head = Buffer.alloc(5);
    head.writeUInt8(at + STORED_BLOCK_MAX >= content.length ? 1 : 0, 0);
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(block.length ^ STORED_BLOCK_MAX, 3);
    parts.push(head, block);
  }
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  parts.push(trailer);
  return Buffer.concat(parts);
}

/**
 * Reads exactly one gzip member with nothing after it (attack class 41). Never unpacks
 * more than MAX_UNPACKED_BYTES, whatever the input claims.
 *
 * @throws SondeError ARCHIVE_INVALID
 */
export function readGzipMember(bytes: Uint8Array): Buffer {
  if (bytes.length > MAX_ARCHIVE_BYTES) {
    throw invalid(`expected at most ${MAX_ARCHIVE_BYTES} bytes, got ${bytes.length}`);
  }
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = input.subarray(0, GZIP_HEADER.length);
  if (!header.equals(GZIP_HEADER)) {
    throw invalid(
      `expected the gzip header ${GZIP_HEADER.toString("hex")}, got ${header.toString("hex")}`,
    );
  }
  const { content, consumed } = inflate(input.subarray(GZIP_HEADER.length));
  const trailer = input.subarray(GZIP_HEADER.length + consumed);
  if (trailer.length !== TRAILER_BYTES) {
    throw invalid(
      `expected ${TRAILER_BYTES} bytes after the only gzip member, got ${trailer.length}`,
    );
  }
  if (trailer.readUInt32LE(0) !== crc32(content) || trailer.readUInt32LE(4) !== content.length) {
    throw invalid("expected the checksum and length in the gzip trailer to fit, got others");
  }
  return content;
}

function inflate(deflated: Buffer): { content: Buffer; consumed: number } {
  try {
    const done: unknown = inflateRawSync(deflated, {
      info: true,
      maxOutputLength: MAX_UNPACKED_BYTES,
    });
    return readInflateInfo(done);
  } catch (cause) {
    throw new SondeError(
      "ARCHIVE_INVALID",
      `archive: expected a deflate stream of at most ${MAX_UNPACKED_BYTES} bytes, got another`,
      { cause },
    );
  }
}

/**
 * With `info`, zlib also returns how much it consumed (nodejs.org, zlib options). The
 * types omit that.
 */
function readInflateInfo(done: unknown): { content: Buffer; consumed: number } {
  const { buffer, engine } = done as { buffer?: unknown; engine?: { bytesWritten?: unknown } };
  const consumed = engine?.bytesWritten;
  if (!Buffer.isBuffer(buffer) || typeof consumed !== "number") {
    throw invalid("expected zlib to say how much it consumed, got no number");
  }
  return { content: buffer, consumed };
}

function invalid(sentence: string): SondeError {
  return new SondeError("ARCHIVE_INVALID", `archive: ${sentence}`);
}
