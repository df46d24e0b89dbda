import { createHash, generateKeyPairSync } from "node:crypto";
// Not the package's main entry: that one intercepts every HTTP request of Node.
import { initializeTSA } from "@sigstore/mock/dist/timestamp/tsa.js";

const SHA_256 = "2.16.840.1.101.3.4.2.1";
const POLICY = "1.3.6.1.4.1.57264.2";

/** Issues RFC 3161 timestamps. */
export type TestTimestampAuthority = {
  /** DER: the authority's certificate, then the certificate of its issuer. */
  certificates: [Buffer, Buffer];
  /** @param sha256 the digest to timestamp @returns the TimeStampResp in DER */
  stamp(sha256: Buffer): Promise<Buffer>;
};

export async function createTestTimestampAuthority(): Promise<TestTimestampAuthority> {
  const clock = new Date();
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const authority = await initializeTSA(keys, clock);
  const toBuffer = ({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>): Buffer =>
    Buffer.from(buffer, byteOffset, byteLength);
  return {
    certificates: [toBuffer(authority.intCertificate), toBuffer(authority.rootCertificate)],
    async stamp(sha256) {
      // Whole seconds: the library encodes a fraction in a form that its own verifier refuses.
      clock.setTime(Math.floor(Date.now() / 1000) * 1000);
      return toBuffer(
        await authority.timestamp({
          artifactHash: sha256,
          hashAlgorithmOID: SHA_256,
          nonce: 1,
          policyOID: POLICY,
        }),
      );
    },
  };
}

/** The digest in a timestamp: SHA-256 of the signature. */
export function hashOfSignature(signature: Buffer): Buffer {
  return createHash("sha256").update(signature).digest();
}
