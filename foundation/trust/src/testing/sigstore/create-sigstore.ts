import { generateKeyPairSync, sign } from "node:crypto";
import type { TrustedRoot } from "@sonde/schemas/trust";
import { archiveDigest, contentDigest, readArchive } from "../../archive/index.ts";
import { STATEMENT_PAYLOAD_TYPE, buildStatement } from "../../pack/index.ts";
import {
  type CertificateRequest,
  createTestCertificateAuthority,
  type TestCertificateAuthority,
} from "./certificate-authority.ts";
import { entryBody, entryToBundle, type SignedEntry } from "./log-entries.ts";
import {
  createTestTimestampAuthority,
  hashOfSignature,
  type TestTimestampAuthority,
} from "./timestamp-authority.ts";
import { createTestLog, type TestLog } from "./transparency-log.ts";

/** Everything that a keyless signature needs, in memory, with generated keys. */
export type TestSigstore = {
  authority: TestCertificateAuthority;
  timestamps: TestTimestampAuthority;
  /** Logs by major version of their interface. */
  logs: { v1: TestLog; v2: TestLog };
  /** The root that a host pins to accept these signatures. */
  trustedRoot: TrustedRoot;
};

const DAY_MS = 86_400_000;

export async function createTestSigstore(): Promise<TestSigstore> {
  const authority = await createTestCertificateAuthority();
  const timestamps = await createTestTimestampAuthority();
  const logs = { v1: createTestLog("rekor-v1.example"), v2: createTestLog("rekor-v2.example") };
  return { authority, timestamps, logs, trustedRoot: buildRoot(authority, timestamps, logs) };
}

function buildRoot(
  authority: TestCertificateAuthority,
  timestamps: TestTimestampAuthority,
  logs: TestSigstore["logs"],
): TrustedRoot {
  const validFor = { start: new Date(Date.now() - DAY_MS).toISOString() };
  const log = (baseUrl: string, key: Buffer, id: Buffer): TrustedRoot["tlogs"][number] => ({
    baseUrl,
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: key.toString("base64"),
      keyDetails: "PKIX_ECDSA_P256_SHA_256",
      validFor,
    },
    logId: { keyId: id.toString("base64") },
  });
  const chain = (...certificates: Buffer[]): TrustedRoot["certificateAuthorities"][number] => ({
    subject: { organization: "example", commonName: "test" },
    uri: "https://sigstore.example",
    certChain: { certificates: certificates.map((der) => ({ rawBytes: der.toString("base64") })) },
    validFor,
  });
  return {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [logs.v1, logs.v2].map(({ origin, publicKey, id }) =>
      log(`https://${origin}`, publicKey, id),
    ),
    certificateAuthorities: [chain(authority.certificate)],
    ctlogs: [log("https://ct.example", authority.logKey, authority.logId)],
    timestampAuthorities: [chain(...timestamps.certificates)],
  };
}

/** Faults of a keyless sample signature; each is a different one. */
export type KeylessLies = {
  log?: "v1" | "v2";
  statement?: unknown;
  payloadType?: string;
  withoutTimestamp?: boolean;
  withoutEntry?: boolean;
  /** Takes timestamp, certificate or log entry from another instance. */
  timestampsOf?: TestSigstore;
  authorityOf?: TestSigstore;
  logsOf?: TestSigstore;
  change?: (bundle: KeylessBundle) => unknown;
};

export type KeylessBundle = {
  mediaType: string;
  verificationMaterial: {
    certificate?: { rawBytes: string };
    tlogEntries: Record<string, unknown>[];
    timestampVerificationData: { rfc3161Timestamps: { signedTimestamp: string }[] };
  };
  dsseEnvelope: SignedEntry["envelope"];
};

/** Builds the keyless bundle of an archive without HTTP; valid unless `lies` break it. */
export async function signKeylessSample(
  sigstore: TestSigstore,
  archive: Uint8Array,
  who: CertificateRequest,
  lies: KeylessLies = {},
): Promise<string> {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
  const certificate = await (lies.authorityOf ?? sigstore).authority.issue(publicKey, who);
  const statement =
    lies.statement ?? buildStatement(archiveDigest(archive), contentDigest(readArchive(archive)));
  const payload = Buffer.from(JSON.stringify(statement), "utf8");
  const payloadType = lies.payloadType ?? STATEMENT_PAYLOAD_TYPE;
  const head = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `);
  const signature = sign("sha256", Buffer.concat([head, payload]), keys.privateKey);
  const envelope = {
    payload: payload.toString("base64"),
    payloadType,
    signatures: [{ sig: signature.toString("base64"), keyid: "" }],
  };
  const version = lies.log ?? "v2";
  const { logs } = lies.logsOf ?? sigstore;
  const logged = logs[version].add(entryBody(version, { envelope, certificate }));
  const stamped = await (lies.timestampsOf ?? sigstore).timestamps.stamp(
    hashOfSignature(signature),
  );
  const bundle: KeylessBundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      certificate: { rawBytes: certificate.toString("base64") },
      tlogEntries:
        lies.withoutEntry === true ? [] : [entryToBundle(version, logs[version], logged)],
      timestampVerificationData: {
        rfc3161Timestamps:
          lies.withoutTimestamp === true ? [] : [{ signedTimestamp: stamped.toString("base64") }],
      },
    },
    dsseEnvelope: envelope,
  };
  return JSON.stringify(lies.change === undefined ? bundle : lies.change(bundle));
}
