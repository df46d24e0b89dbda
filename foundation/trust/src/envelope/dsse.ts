/**
 * Pre-authentication encoding of DSSE v1.0.2: the bytes that are signed. It includes the
 * type, so that a signature over one type never verifies under another.
 */
export function dssePae(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, "utf8");
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}
