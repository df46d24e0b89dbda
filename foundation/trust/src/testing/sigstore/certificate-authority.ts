import "reflect-metadata";
import { createHash, generateKeyPairSync, randomBytes, sign, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { encodeDer, firstOf } from "./der.ts";

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const MINUTE_MS = 60_000;
const LIFETIME_MS = 10 * MINUTE_MS;

/** The identity in a certificate, and the faults that it can have. */
export type CertificateRequest = {
  issuer: string;
  /** A URI or an e-mail address. */
  identity: string;
  repositoryId?: string;
  /** Start of the certificate's ten minutes; by default now. */
  from?: Date;
  withoutSct?: boolean;
  purpose?: string;
  /** Further names in the same certificate. */
  moreNames?: string[];
  /** Further extensions: object identifier and content. */
  extensions?: [string, Uint8Array][];
};

/** Issues short-lived certificates with an SCT of its own certificate transparency log. */
export type TestCertificateAuthority = {
  /** DER. */
  certificate: Buffer;
  /** The log's public key, SubjectPublicKeyInfo in DER. */
  logKey: Buffer;
  /** The log's id: the SHA-256 of its key. */
  logId: Buffer;
  /** @param publicKey SubjectPublicKeyInfo in DER, P-256 @returns DER */
  issue(publicKey: Buffer, request: CertificateRequest): Promise<Buffer>;
};

export async function createTestCertificateAuthority(): Promise<TestCertificateAuthority> {
  const log = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const logKey = log.publicKey.export({ type: "spki", format: "der" });
  const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const name = `CN=test-${randomBytes(4).toString("hex")}, O=example`;
  const root = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name,
    notBefore: new Date(Date.now() - 24 * 60 * MINUTE_MS),
    notAfter: new Date(Date.now() + 24 * 60 * MINUTE_MS),
    signingAlgorithm: EC,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const issuerKey = Buffer.from(await webcrypto.subtle.exportKey("spki", keys.publicKey));

  async function issue(publicKey: Buffer, request: CertificateRequest): Promise<Buffer> {
    const from = request.from ?? new Date();
    const extensions = buildExtensions(request);
    const parts = {
      serialNumber: randomBytes(16).toString("hex"),
      issuer: root.subject,
      notBefore: from,
      notAfter: new Date(from.getTime() + LIFETIME_MS),
      signingAlgorithm: EC,
      signingKey: keys.privateKey,
      publicKey: await webcrypto.subtle.importKey("spki", publicKey, EC, true, ["verify"]),
    };
    const bare = await X509CertificateGenerator.create({ ...parts, extensions });
    if (request.withoutSct === true) return Buffer.from(bare.rawData);
    const sct = buildSct(firstOf(Buffer.from(bare.rawData)), issuerKey, logKey, (bytes) =>
      sign("sha256", bytes, log.privateKey),
    );
    const full = await X509CertificateGenerator.create({
      ...parts,
      extensions: [...extensions, sct],
    });
    return Buffer.from(full.rawData);
  }

  return { certificate: Buffer.from(root.rawData), logKey, logId: sha256(logKey), issue };
}

function buildExtensions(request: CertificateRequest): Extension[] {
  const names = [request.identity, ...(request.moreNames ?? [])].map((name) =>
    encodeDer(name.includes("://") ? 0x86 : 0x81, Buffer.from(name, "latin1")),
  );
  const more = (request.extensions ?? []).map(
    ([id, content]) => new Extension(id, false, Uint8Array.from(content)),
  );
  const text = (id: string, value: string): Extension =>
    new Extension(id, false, Uint8Array.from(encodeDer(0x0c, Buffer.from(value, "utf8"))));
  return [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([request.purpose ?? ExtendedKeyUsage.codeSigning]),
    new Extension("2.5.29.17", true, Uint8Array.from(encodeDer(0x30, Buffer.concat(names)))),
    text("1.3.6.1.4.1.57264.1.8", request.issuer),
    ...(request.repositoryId === undefined
      ? []
      : [text("1.3.6.1.4.1.57264.1.15", request.repositoryId)]),
    ...more,
  ];
}

const sha256 = (bytes: Buffer): Buffer => createHash("sha256").update(bytes).digest();

/** Builds one signed certificate timestamp (RFC 6962, sections 3.2 and 3.3). */
function buildSct(
  tbs: Buffer,
  issuerKey: Buffer,
  logKey: Buffer,
  signBytes: (bytes: Buffer) => Buffer,
): Extension {
  const at = Buffer.alloc(8);
  at.writeBigUInt64BE(BigInt(Date.now()));
  const length = Buffer.alloc(3);
  length.writeUIntBE(tbs.length, 0, 3);
  const none = Buffer.from([0, 0]);
  const signature = signBytes(
    Buffer.concat([
      Buffer.from([0, 0]),
      at,
      Buffer.from([0, 1]),
      sha256(issuerKey),
      length,
      tbs,
      none,
    ]),
  );
  const sct = Buffer.concat([
    Buffer.from([0]),
    sha256(logKey),
    at,
    none,
    Buffer.from([4, 3]),
    sized(signature),
  ]);
  const list = encodeDer(0x04, sized(sized(sct)));
  return new Extension("1.3.6.1.4.1.11129.2.4.2", false, Uint8Array.from(list));
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
