import "reflect-metadata";
import {
  createHash,
  createPublicKey,
  type KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate as NodeCertificate,
} from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { SondeError } from "@sonde/schemas/errors";
import {
  AGENT_CERTIFICATE_MS,
  agentUri,
  type DsseEnvelope,
  KEY_SET_TYPE,
  type KeySet,
} from "@sonde/schemas/wire";
import { dssePae } from "../envelope/dsse.ts";
import { keyIdOf, webAlgorithmOf } from "../envelope/keys.ts";

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Certificates start a little in the past, so that peers with a slow clock accept them. */
const BACKDATE_MS = 5 * 60_000;
const AUTHORITY_LIFETIME_MS = 3650 * DAY_MS;
const SERVER_LIFETIME_MS = 397 * DAY_MS;

/** A certificate and its private key, both PEM. */
export type KeyedCertificate = { certificate: string; privateKey: string };

/** What the hub keeps of an agent's certificate. */
export type AgentCertificate = {
  certificate: string;
  /** Lower-case hex of 128 random bits. */
  serial: string;
  keyId: string;
  expiresAt: Date;
};

/** Issues every certificate of one hub. Holds the CA key in memory. One per hub. */
export type Authority = {
  certificate: string;
  /** SHA-256 of the CA certificate in DER, 64 hex digits. Enrolment tokens pin it. */
  fingerprint: string;
  /**
   * Returns the key of a request after checking its proof of possession. @throws
   * SondeError CSR_INVALID
   */
  readPublicKey(csr: string): Promise<KeyObject>;
  /** Issues a certificate for the hub's own listeners. `names` are DNS names and IP addresses. */
  issueServerCertificate(names: string[]): Promise<KeyedCertificate>;
  /**
   * Issues a certificate for one agent's key, which `readPublicKey` or an earlier
   * certificate has proven. The hub chooses subject and extensions (attack 17).
   */
  issueAgentCertificate(request: AgentRequest): Promise<AgentCertificate>;
  /** Signs what agents are to trust as the hub's command keys. They pinned this CA. */
  signKeySet(set: KeySet): Promise<DsseEnvelope>;
};

export type AgentRequest = { publicKey: KeyObject; hubId: string; agentId: string };

/** Creates a new CA with this common name. */
export async function createAuthority(name: string, now: Date): Promise<KeyedCertificate> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString("hex"),
    name: `CN=${name}`,
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    notAfter: new Date(now.getTime() + AUTHORITY_LIFETIME_MS),
    signingAlgorithm: EC,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certificate: certificate.toString("pem"), privateKey: await exportKey(keys.privateKey) };
}

export async function openAuthority(files: KeyedCertificate, now: () => Date): Promise<Authority> {
  const issuer = new X509Certificate(files.certificate);
  const signingKey = await webcrypto.subtle.importKey(
    "pkcs8",
    PemConverter.decodeFirst(files.privateKey),
    EC,
    false,
    ["sign"],
  );
  const issue = (options: {
    subject: string;
    publicKey: webcrypto.CryptoKey;
    lifetimeMs: number;
    usage: ExtendedKeyUsage;
    names: { type: "dns" | "ip" | "url"; value: string }[];
  }) => {
    const start = now().getTime();
    return X509CertificateGenerator.create({
      serialNumber: randomSerial(),
      subject: options.subject,
      issuer: issuer.subject,
      notBefore: new Date(start - BACKDATE_MS),
      notAfter: new Date(start + options.lifetimeMs),
      signingAlgorithm: EC,
      publicKey: options.publicKey,
      signingKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([options.usage]),
        new SubjectAlternativeNameExtension(options.names),
      ],
    });
  };

  return {
    certificate: files.certificate,
    fingerprint: createHash("sha256").update(Buffer.from(issuer.rawData)).digest("hex"),
    readPublicKey,
    async issueServerCertificate(names) {
      const keys = await webcrypto.subtle.generateKey(EC, true, ["sign", "verify"]);
      const certificate = await issue({
        subject: "CN=Sonde hub",
        publicKey: keys.publicKey,
        lifetimeMs: SERVER_LIFETIME_MS,
        usage: ExtendedKeyUsage.serverAuth,
        names: names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? "ip" : "dns", value })),
      });
      return {
        certificate: certificate.toString("pem"),
        privateKey: await exportKey(keys.privateKey),
      };
    },
    async issueAgentCertificate(request) {
      const { publicKey } = request;
      const certificate = await issue({
        subject: `CN=${request.agentId}`,
        publicKey: await webcrypto.subtle.importKey(
          "spki",
          publicKey.export({ type: "spki", format: "der" }),
          webAlgorithmOf(publicKey),
          true,
          ["verify"],
        ),
        lifetimeMs: AGENT_CERTIFICATE_MS,
        usage: ExtendedKeyUsage.clientAuth,
        names: [{ type: "url", value: agentUri(request.hubId, request.agentId) }],
      });
      return {
        certificate: certificate.toString("pem"),
        serial: certificate.serialNumber.toLowerCase(),
        keyId: keyIdOf(publicKey),
        expiresAt: certificate.notAfter,
      };
    },
    async signKeySet(set) {
      const payload = Buffer.from(JSON.stringify(set), "utf8");
      const pae = dssePae(KEY_SET_TYPE, payload);
      const sig = Buffer.from(await webcrypto.subtle.sign(EC, signingKey, Uint8Array.from(pae)));
      const keyid = keyIdOf(new NodeCertificate(files.certificate).publicKey);
      return {
        payloadType: KEY_SET_TYPE,
        payload: payload.toString("base64"),
        signatures: [{ keyid, sig: sig.toString("base64") }],
      };
    },
  };
}

/**
 * Returns the key of a certificate request after checking that this key signed the
 * request.
 *
 * @throws SondeError CSR_INVALID
 */
async function readPublicKey(csr: string): Promise<KeyObject> {
  try {
    const request = new Pkcs10CertificateRequest(csr);
    const publicKey = createPublicKey({
      key: Buffer.from(request.publicKey.rawData),
      format: "der",
      type: "spki",
    });
    // Checks the kind of key first: an attacker could send a giant key that is slow to verify.
    const own = webAlgorithmOf(publicKey);
    // The request names an algorithm, which may be a weaker one of the same key (attack 7).
    const isOwn = isDeepStrictEqual(describeAlgorithm(request.signatureAlgorithm), own);
    if (isOwn && (await request.verify())) return publicKey;
  } catch (cause) {
    throw new SondeError("CSR_INVALID", "expected a PKCS#10 request in PEM", { cause });
  }
  throw new SondeError("CSR_INVALID", "expected a request signed by its own key");
}

/** An algorithm as WebCrypto's names. The library has the hash as an object. */
function describeAlgorithm(algorithm: object): { name: unknown; hash?: unknown } {
  const { name, hash } = algorithm as { name?: unknown; hash?: { name: unknown } };
  return hash === undefined ? { name } : { name, hash: hash.name };
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

/**
 * 128 random bits without a leading zero byte or sign bit, so that every parser prints
 * them alike.
 */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
