import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type AdmittedPack, type SignerPolicy, parseVerifiedRecord } from "@sonde/schemas/trust";
import {
  ARCHIVE_LAYOUT,
  type ArchiveFile,
  contentDigest,
  digestOf,
  readBoundedFile,
} from "../archive/index.ts";
// Imported past the front door, so that an agent reads its store without loading Sigstore.
import { parseManifest } from "../pack/check-manifest.ts";
import { demandTrusted } from "../pack/demand-trusted.ts";

export const RECORD_FILE = "verified.json";
const MAX_RECORD_BYTES = 16 * 1024;
const [, README] = ARCHIVE_LAYOUT;

/** Returns the folder of an admitted archive, named by the digest's hex. */
export function admittedFolder(storeDir: string, digest: Digest): string {
  return join(storeDir, digest.slice("sha256:".length));
}

/**
 * Reads a stored pack. Checks that its files are those that were verified, and that the
 * present policy still trusts their signer.
 *
 * @throws SondeError NOT_FOUND when nothing is stored under the digest, DIGEST_MISMATCH
 *   when the files have changed, SIGNER_UNTRUSTED or SIGNATURE_MISSING when the policy
 *   has changed
 */
export async function readAdmitted(
  storeDir: string,
  digest: Digest,
  policy: SignerPolicy,
): Promise<AdmittedPack> {
  const pack = await readSound(storeDir, digest);
  demandTrusted(policy, pack.signer);
  return pack;
}

/**
 * Reads a stored pack and checks it against its `verified.json`: names and content
 * digest, not the signer.
 */
export async function readSound(storeDir: string, digest: Digest): Promise<AdmittedPack> {
  const folder = admittedFolder(storeDir, digest);
  await checkNames(folder, digest);
  const recordBytes = await readStored(folder, RECORD_FILE, MAX_RECORD_BYTES);
  const record = parseVerifiedRecord(parseJson(recordBytes, RECORD_FILE, "DIGEST_MISMATCH"));
  const files: ArchiveFile[] = [];
  for (const { path, maxBytes } of ARCHIVE_LAYOUT) {
    files.push({ path, bytes: await readStored(folder, path, maxBytes) });
  }
  const content = contentDigest(files);
  if (record.digest !== digest || record.contentDigest !== content) {
    throw new SondeError(
      "DIGEST_MISMATCH",
      `${folder}: expected the content ${record.contentDigest} of ${digest}, got ${content} of ${record.digest}`,
    );
  }
  const [, , code, packJson] = files;
  if (code === undefined || packJson === undefined) throw changed(folder, "fewer files");
  return { ...record, codeSha256: digestOf(code.bytes), manifest: parseManifest(packJson.bytes) };
}

/**
 * Reads what the publisher says of a stored pack. Bytes that are not UTF-8 are replaced.
 *
 * @throws SondeError DIGEST_MISMATCH when there is no such file, or a larger one
 */
export async function readReadme(storeDir: string, digest: Digest): Promise<string> {
  const { path, maxBytes } = README;
  const bytes = await readStored(admittedFolder(storeDir, digest), path, maxBytes);
  return bytes.toString("utf8");
}

async function checkNames(folder: string, digest: Digest): Promise<void> {
  const expected = [...ARCHIVE_LAYOUT.map(({ path }) => path), RECORD_FILE].toSorted().join(", ");
  const got = (await listFolder(folder, digest)).toSorted().join(", ");
  if (got !== expected) throw changed(folder, "other files");
}

async function listFolder(folder: string, digest: Digest): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new SondeError("NOT_FOUND", `expected ${digest} in the pack store, got none`, { cause });
  }
}

async function readStored(folder: string, name: string, maxBytes: number): Promise<Buffer> {
  const bytes = await readBoundedFile(join(folder, name), maxBytes);
  if (bytes === null) throw changed(folder, `no ${name}`);
  return bytes;
}

function changed(folder: string, got: string): SondeError {
  return new SondeError("DIGEST_MISMATCH", `${folder}: expected the files verified, got ${got}`);
}
