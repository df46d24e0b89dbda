import { type KeyObject, generateKeyPairSync, sign } from "node:crypto";
import type { Manifest } from "@sonde/schemas/manifest";
import type { TrustPolicy } from "@sonde/schemas/trust";
import {
  type ArchiveFile,
  archiveDigest,
  contentDigest,
  readArchive,
  writeArchive,
} from "../archive/index.ts";
import { STATEMENT_PAYLOAD_TYPE, buildStatement, formatManifest, keyIdOf } from "../pack/index.ts";

// Small valid packs and signatures with generated keys, for tests of this workspace only.
// The signing code here is independent of pack-sdk/sign, so that each checks the other.

const NO_FIELDS = { type: "object", properties: {}, required: [], additionalProperties: false };

/** Builds a small valid manifest. `changes` replace whole fields. */
export function buildSampleManifest(changes: Partial<Manifest> = {}): Manifest {
  return {
    manifest: 1,
    name: "acme/hello",
    version: "1.0.0",
    description: "A small pack for tests.",
    license: "Apache-2.0",
    repository: "https://example.com/acme/hello",
    engines: { agent: "^0.1.0" },
    sources: { load: { kind: "file", path: "/proc/loadavg", timeoutMs: 500, maxBytes: 4096 } },
    requires: { groups: [], commands: [], files: ["/proc/loadavg"], sockets: [] },
    probes: {
      greet: {
        description: "Says what the load is.",
        capability: "observe",
        params: NO_FIELDS as Manifest["probes"][string]["params"],
        result: NO_FIELDS as Manifest["probes"][string]["result"],
        reads: { load: { source: "load" } },
      },
    },
    ...changes,
  };
}

/** Parts of a sample pack's archive that a test can change. */
export type SampleParts = {
  manifest?: Partial<Manifest>;
  packJson?: string;
  code?: string;
  readme?: string;
};

/** Builds the archive of a small pack. */
export function buildSampleArchive(parts: SampleParts = {}): Uint8Array {
  const manifest = parts.packJson ?? formatManifest(buildSampleManifest(parts.manifest));
  const texts: [ArchiveFile["path"], string][] = [
    ["pack.json", manifest],
    ["index.js", parts.code ?? "var pack = { probes: { greet: { run: () => ({}) } } };\n"],
    ["README.md", parts.readme ?? "# Hello\n"],
    ["LICENSE", "Apache-2.0\n"],
  ];
  return writeArchive(
    texts.map(([path, text]) => ({ path, bytes: Uint8Array.from(Buffer.from(text, "utf8")) })),
  );
}

/** A publisher's key pair: RSA of `bits`, 2048 by default for speed. */
export type SampleKey = { privateKey: KeyObject; publicKeyPem: string };

export function createSampleKey(bits = 2048): SampleKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return { privateKey, publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString() };
}

/** Key of a log that does not exist. Tests with a log use their own key. */
const SAMPLE_LOG_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

/** Builds a policy that trusts these keys, publisher -> keys. */
export function buildSamplePolicy(
  publishers: Record<string, SampleKey[]>,
  changes: Partial<TrustPolicy> = {},
): TrustPolicy {
  const entries = Object.entries(publishers).map(([publisher, keys]) => [
    publisher,
    {
      keys: keys.map(({ publicKeyPem }) => ({ algorithm: "rsa-sha256", publicKey: publicKeyPem })),
      identities: [],
    },
  ]);
  return {
    registry: "http://127.0.0.1:1",
    logKey: SAMPLE_LOG_KEY,
    publishers: Object.fromEntries(entries) as TrustPolicy["publishers"],
    allowUnsignedPacks: false,
    ...changes,
  };
}

/** Faults of a sample signature; each is a different one. */
export type SampleLies = {
  statement?: unknown;
  /** The statement's text in place of the statement. */
  statementText?: string;
  payloadType?: string;
  keyHint?: string;
  digestAlgorithm?: string;
  change?: (bundle: SampleBundle) => unknown;
};

type SampleBundle = {
  mediaType: string;
  verificationMaterial: Record<string, unknown>;
  dsseEnvelope: {
    payload: string;
    payloadType: string;
    signatures: { sig: string; keyid: string }[];
  };
};

/** Builds the bundle of an archive; valid unless `lies` break it. */
export function signSample(archive: Uint8Array, key: SampleKey, lies: SampleLies = {}): string {
  const statement =
    lies.statement ?? buildStatement(archiveDigest(archive), contentDigest(readArchive(archive)));
  const payload = Buffer.from(lies.statementText ?? JSON.stringify(statement), "utf8");
  const type = lies.payloadType ?? STATEMENT_PAYLOAD_TYPE;
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `),
    payload,
  ]);
  const keyid = lies.keyHint ?? keyIdOf(key.privateKey);
  const sig = sign(lies.digestAlgorithm ?? "sha256", signed, key.privateKey).toString("base64");
  const bundle: SampleBundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: keyid } },
    dsseEnvelope: {
      payload: payload.toString("base64"),
      payloadType: type,
      signatures: [{ sig, keyid }],
    },
  };
  return JSON.stringify(lies.change === undefined ? bundle : lies.change(bundle));
}
