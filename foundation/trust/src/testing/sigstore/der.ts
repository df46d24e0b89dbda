// The few DER forms that the test authority encodes by hand.

/** Encodes one value: tag, length, content. */
export function encodeDer(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/**
 * Returns the bytes of the first value in a SEQUENCE, header included. In a certificate
 * these are the bytes that were signed.
 */
export function firstOf(sequence: Uint8Array): Buffer {
  const bytes = Buffer.from(sequence);
  const inner = bytes.subarray(headerOf(bytes).header);
  const { header, length } = headerOf(inner);
  return inner.subarray(0, header + length);
}

function headerOf(bytes: Buffer): { header: number; length: number } {
  const first = bytes.readUInt8(1);
  if (first < 0x80) return { header: 2, length: first };
  const size = first - 0x80;
  return { header: 2 + size, length: bytes.readUIntBE(2, size) };
}
