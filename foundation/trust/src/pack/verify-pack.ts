import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest } from "@sonde/schemas/names";
import { type Signer, type SignerPolicy, parseSignerPolicy } from "@sonde/schemas/trust";
import semver from "semver";
import {
  type ArchiveFile,
  type ArchivePath,
  archiveDigest,
  contentDigest,
  digestOf,
  readArchive,
} from "../archive/index.ts";
import { checkCode } from "./check-code.ts";
import { parseManifest } from "./check-manifest.ts";
import { demandTrusted } from "./demand-trusted.ts";
import { verifySignature } from "./verify-signature.ts";

/** What to verify, and under which policy. */
export type VerifyPackRequest = {
  archive: Uint8Array;
  /** The Sigstore bundle's JSON text; null when there is none. */
  bundle: string | null;
  policy: SignerPolicy;
  /** Where the archive came from. Only a local folder may hold an unsigned one. */
  origin: "registry" | "local-folder";
  /** If given, the manifest's `engines.agent` must accept this version. */
  agentVersion?: string;
  /** The pack that was asked for. Any other is refused, even with a valid signature. */
  expected?: { name?: string; version?: string; digest?: Digest };
};

// Private to this module, so that only verifyPack can make a VerifiedPack.
const proof = Symbol("verifyPack");

/** An archive that passed every check. Only `verifyPack` makes one. */
class VerifiedPack {
  readonly digest: Digest;
  readonly contentDigest: Digest;
  readonly codeSha256: Digest;
  readonly manifest: Manifest;
  readonly signer: Signer;
  readonly files: readonly ArchiveFile[];
  readonly #proof: typeof proof;

  constructor(made: typeof proof, parts: VerifiedParts) {
    if (made !== proof) throw new SondeError("INTERNAL", "a VerifiedPack comes from verifyPack");
    this.#proof = made;
    this.digest = parts.digest;
    this.contentDigest = parts.contentDigest;
    this.codeSha256 = parts.codeSha256;
    this.manifest = parts.manifest;
    this.signer = parts.signer;
    this.files = parts.files;
    Object.freeze(this);
  }

  static isVerified(value: unknown): value is VerifiedPack {
    return typeof value === "object" && value !== null && #proof in value && value.#proof === proof;
  }
}
export type { VerifiedPack };

type VerifiedParts = Pick<
  VerifiedPack,
  "digest" | "contentDigest" | "codeSha256" | "manifest" | "signer" | "files"
>;

/** True for a result of `verifyPack`, false for an object that only looks like one. */
export function isVerifiedPack(value: unknown): value is VerifiedPack {
  return VerifiedPack.isVerified(value);
}

/**
 * The only verifier, used by registry, hub and agents. Checks, in this order: the archive
 * (strictly), its digests, its signature, the manifest, that the policy lets the signer
 * sign for the publisher, and the code. Any throw is a rejection.
 *
 * @throws SondeError ARCHIVE_INVALID, DIGEST_MISMATCH, SIGNATURE_MISSING,
 *   SIGNATURE_INVALID, SIGNER_UNTRUSTED, MANIFEST_INVALID, REQUIRES_MISMATCH,
 *   PACK_NEEDS_NEWER_AGENT, CODE_REFUSED, CONFIG_INVALID
 */
export async function verifyPack(request: VerifyPackRequest): Promise<VerifiedPack> {
  try {
    return new VerifiedPack(proof, verifyParts(request));
  } catch (thrown) {
    throw toSondeError(thrown);
  }
}

function verifyParts(request: VerifyPackRequest): VerifiedParts {
  const policy = parseSignerPolicy(request.policy);
  const { archive, expected } = request;
  const digest = archiveDigest(archive);
  demand("digest", expected?.digest, digest);
  const files = readArchive(archive);
  const content = contentDigest(files);
  const signature =
    request.bundle === null ? null : verifySignature(request.bundle, digest, content, policy);
  if (signature === null && !mayBeUnsigned(request, policy)) {
    throw new SondeError("SIGNATURE_MISSING", "expected a bundle beside the archive, got none");
  }
  const manifest = parseManifest(bytesOf(files, "pack.json"));
  demand("name", expected?.name, manifest.name);
  demand("version", expected?.version, manifest.version);
  const publisher = manifest.name.slice(0, manifest.name.indexOf("/"));
  const signer: Signer =
    signature === null ? { kind: "none", publisher } : { ...signature, publisher };
  demandTrusted(policy, signer);
  checkEngine(manifest, request.agentVersion);
  const code = bytesOf(files, "index.js");
  checkCode(code);
  return {
    digest,
    contentDigest: content,
    codeSha256: digestOf(code),
    manifest: deepFreeze(manifest),
    signer,
    files,
  };
}

function mayBeUnsigned({ origin }: VerifyPackRequest, policy: SignerPolicy): boolean {
  return policy.allowUnsignedPacks && origin === "local-folder";
}

function demand(what: string, expected: string | undefined, got: string): void {
  if (expected !== undefined && expected !== got) {
    throw new SondeError("DIGEST_MISMATCH", `${what}: expected ${expected}, got ${got}`);
  }
}

/** @throws SondeError PACK_NEEDS_NEWER_AGENT unless the manifest accepts that version */
export function checkEngine(manifest: Manifest, agentVersion: string | undefined): void {
  const range = manifest.engines.agent;
  if (agentVersion !== undefined && !semver.satisfies(agentVersion, range)) {
    throw new SondeError(
      "PACK_NEEDS_NEWER_AGENT",
      `expected an agent ${range}, got ${agentVersion}`,
    );
  }
}

/** Returns the bytes of one file. Every archive that was read has all paths. */
export function bytesOf(files: readonly ArchiveFile[], path: ArchivePath): Uint8Array {
  const file = files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new SondeError("ARCHIVE_INVALID", `expected ${path}, got none`);
  return file.bytes;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) deepFreeze(child);
    Object.freeze(value);
  }
  return value;
}
