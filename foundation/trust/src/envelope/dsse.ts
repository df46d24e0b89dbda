/**
 * Pre-authentication encoding of DSSE v1.0.2: what is really signed. The type
 * is inside, so a signature over one type never verifies under another.
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
