type Encodable = { toDER(): Buffer };

/**
 * Caches the DER encoding of a parsed certificate. The library encodes it for every
 * comparison and every signature, which took most of a verification's time. The cache
 * stays valid: the library changes only clones, which it parses again from these bytes.
 */
export function encodeOnce(certificate: { root: Encodable; tbsCertificate: Encodable }): void {
  for (const part of [certificate.root, certificate.tbsCertificate]) {
    const encode = part.toDER.bind(part);
    let der: Buffer | undefined;
    part.toDER = () => (der ??= encode());
  }
}
