import { SondeError } from "@sonde/schemas/errors";
import { type PackName, type Version } from "@sonde/schemas/names";
import type { RegistryPlace } from "@sonde/schemas/trust";
import { MAX_ARCHIVE_BYTES } from "../archive/index.ts";
import { MAX_BUNDLE_BYTES } from "../pack/index.ts";
import { fetchFile } from "./registry-fetch.ts";

/** Bytes from outside, not yet verified. */
export type UnverifiedPack = { archive: Uint8Array; bundle: string | null };

/**
 * Fetches archive and bundle of one version from a registry.
 *
 * @throws SondeError REGISTRY_UNAVAILABLE, NOT_FOUND when there is no such version, or
 *   ARCHIVE_INVALID for an answer above its cap
 */
export async function fetchPack(
  registry: RegistryPlace,
  name: PackName,
  version: Version,
): Promise<UnverifiedPack> {
  const path = `api/v1/packs/${name}/${version}`;
  const archive = await fetchFile(registry, `${path}/archive`, MAX_ARCHIVE_BYTES);
  if (archive === null) {
    throw new SondeError("NOT_FOUND", `expected ${name} ${version} in the registry, got none`);
  }
  const bundle = await fetchFile(registry, `${path}/bundle`, MAX_BUNDLE_BYTES);
  return { archive, bundle: bundle === null ? null : bundle.toString("utf8") };
}
