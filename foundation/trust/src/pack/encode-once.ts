type Encodable = { toDER(): Buffer };

/**
 * Lets a parsed certificate encode itself once. The library does so for every
 * comparison and every signature, which was most of a verification. What it
 * changes is always a clone, parsed anew from these bytes.
 */
export function encodeOnce(certificate: { root: Encodable; tbsCertificate: Encodable }): void {
  for (const part of [certificate.root, certificate.tbsCertificate]) {
    const encode = part.toDER.bind(part);
    let der: Buffer | undefined;
    part.toDER = () => (der ??= encode());
  }
}
