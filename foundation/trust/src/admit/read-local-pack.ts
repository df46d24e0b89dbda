import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type AdmitRequest } from "@sonde/schemas/trust";
import { archiveDigest, MAX_ARCHIVE_BYTES, readBoundedFile } from "../archive/index.ts";
import { MAX_BUNDLE_BYTES } from "../pack/index.ts";
import { checkOwner } from "@sonde/files";
import type { UnverifiedPack } from "./fetch-pack.ts";

/**
 * Reads a pack that its author built on this host: `PACK-VERSION.tgz` in the policy's
 * folder and, if it is signed, `PACK-VERSION.tgz.sigstore.json`.
 *
 * @returns null when the policy allows no such packs, or the folder has none with that
 *   digest; the caller then asks the registry
 * @throws SondeError CONFIG_INVALID when anybody but root and this user could have
 *   written it, ARCHIVE_INVALID
 */
export async function readLocalPack(request: AdmitRequest): Promise<UnverifiedPack | null> {
  const { name, version, digest, policy } = request;
  if (!policy.allowUnsignedPacks || policy.localPacks === undefined) return null;
  const path = join(policy.localPacks, `${name.slice(name.indexOf("/") + 1)}-${version}.tgz`);
  const archive = await readBoundedFile(path, MAX_ARCHIVE_BYTES);
  if (archive === null) return null;
  const owners = [0, process.getuid?.() ?? 0];
  for (const owned of [policy.localPacks, path]) {
    checkOwner(await lstat(owned), owners, owned);
  }
  if (digest !== null && digest !== archiveDigest(archive)) return null;
  const bundle = await readBoundedFile(`${path}.sigstore.json`, MAX_BUNDLE_BYTES);
  return { archive, bundle: bundle === null ? null : bundle.toString("utf8") };
}

/** Builds the error NOT_FOUND, which says what is missing on the host. */
export function noLocalPack({ name, version, policy }: AdmitRequest): SondeError {
  const where = policy.allowUnsignedPacks ? policy.localPacks : undefined;
  return new SondeError(
    "NOT_FOUND",
    `expected ${name} ${version} in the folder of this host's own packs, got ${where === undefined ? "a policy that allows none" : `none in ${where}`}`,
  );
}
