import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  type JsonGeneralName,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

// Certificates of servers, sound and otherwise, that a test makes for itself.

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 24 * 3_600_000;

/** A certificate that may sign others. */
export type Issuer = { certificate: X509Certificate; key: webcrypto.CryptoKey };

/** What a TLS server needs, as PEM; `certificate` is its own and those above it but the root. */
export type ServerFiles = { certificate: string; key: string };

/** @param issuer the one that signs it; without one it is a root */
export async function makeIssuer(name: string, issuer?: Issuer): Promise<Issuer> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const certificate = await sign(name, keys.publicKey, issuer ?? { key: keys.privateKey }, {
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return { certificate, key: keys.privateKey };
}

/**
 * @param from valid from so many days from now
 * @param to valid until so many days from now
 * @param issuers the one that signs it, and those above that; without one it signs itself
 */
export async function makeServerFiles(
  names: JsonGeneralName[],
  issuers: readonly Issuer[],
  { from = -1, to = 30 } = {},
): Promise<ServerFiles> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const [issuer = { key: keys.privateKey }] = issuers;
  const own = await sign("server of a test", keys.publicKey, issuer, {
    notBefore: new Date(Date.now() + from * DAY_MS),
    notAfter: new Date(Date.now() + to * DAY_MS),
    extensions: [new SubjectAlternativeNameExtension(names)],
  });
  const above = issuers.slice(0, -1).map(({ certificate }) => certificate);
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate: [own, ...above].map((one) => one.toString("pem")).join("\n"),
    key: PemConverter.encode(key, PemConverter.PrivateKeyTag),
  };
}

async function sign(
  name: string,
  publicKey: webcrypto.CryptoKey,
  issuer: { certificate?: X509Certificate; key: webcrypto.CryptoKey },
  more: object,
): Promise<X509Certificate> {
  const subject = `CN=${name}`;
  return await X509CertificateGenerator.create(
    {
      serialNumber: randomBytes(8).toString("hex").replace(/^./, "1"),
      subject,
      issuer: issuer.certificate?.subject ?? subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 30 * DAY_MS),
      publicKey,
      signingKey: issuer.key,
      signingAlgorithm: EC,
      ...more,
    },
    webcrypto,
  );
}
