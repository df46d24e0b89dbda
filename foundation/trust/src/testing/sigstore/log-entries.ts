import { createHash } from "node:crypto";
import type { LoggedEntry, TestLog } from "./transparency-log.ts";

// Rekor's entry for a signed envelope, in both versions of its interface.

/** A DSSE envelope in JSON, with the certificate (DER) that verifies it. */
export type SignedEntry = {
  envelope: { payload: string; payloadType: string; signatures: { sig: string; keyid: string }[] };
  certificate: Buffer;
};

/** Builds the canonical body that a log hashes. */
export function entryBody(version: "v1" | "v2", entry: SignedEntry): Buffer {
  const { envelope, certificate } = entry;
  const hash = createHash("sha256").update(Buffer.from(envelope.payload, "base64"));
  const signature = envelope.signatures[0]?.sig ?? "";
  const body =
    version === "v1"
      ? {
          apiVersion: "0.0.1",
          kind: "dsse",
          spec: {
            payloadHash: { algorithm: "sha256", value: hash.digest("hex") },
            signatures: [{ signature, verifier: toPem(certificate).toString("base64") }],
          },
        }
      : {
          apiVersion: "0.0.2",
          kind: "dsse",
          spec: {
            dsseV002: {
              payloadHash: { algorithm: "SHA2_256", digest: hash.digest("base64") },
              signatures: [
                {
                  content: signature,
                  verifier: {
                    keyDetails: "PKIX_ECDSA_P256_SHA_256",
                    x509Certificate: { rawBytes: certificate.toString("base64") },
                  },
                },
              ],
            },
          },
        };
  return Buffer.from(JSON.stringify(body), "utf8");
}

export function toPem(certificate: Buffer): Buffer {
  const text = certificate.toString("base64").replaceAll(/.{64}/g, "$&\n");
  return Buffer.from(`-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`);
}

/** Converts an entry to the form of a bundle, which is also the answer of a v2 log. */
export function entryToBundle(
  version: "v1" | "v2",
  log: TestLog,
  entry: LoggedEntry,
): Record<string, unknown> {
  return {
    logIndex: String(entry.index),
    logId: { keyId: log.id.toString("base64") },
    kindVersion: { kind: "dsse", version: version === "v1" ? "0.0.1" : "0.0.2" },
    ...(version === "v1" && {
      integratedTime: String(entry.integratedTime),
      inclusionPromise: { signedEntryTimestamp: entry.promise.toString("base64") },
    }),
    inclusionProof: {
      logIndex: String(entry.index),
      rootHash: entry.root.toString("base64"),
      treeSize: String(entry.size),
      hashes: entry.hashes.map((hash) => hash.toString("base64")),
      checkpoint: { envelope: entry.checkpoint },
    },
    canonicalizedBody: entry.body.toString("base64"),
  };
}
