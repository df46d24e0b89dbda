import { SondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import { type PublishedVersion, parsePublishedVersion } from "@sonde/schemas/registry";
import { archiveDigest, readArchive } from "@sonde/trust/archive";
import { parseManifest } from "@sonde/trust/pack";
import { parseRegistry, requestRegistry } from "./registry-request.ts";

/**
 * Publishes a signed archive under the name and version in its manifest.
 *
 * @param registry `https://...`, or `http://` on loopback, because the token is sent along
 * @throws SondeError with the registry's code, REGISTRY_UNAVAILABLE or DIGEST_MISMATCH
 */
export async function publishArchive(
  registry: string,
  token: string,
  archive: Uint8Array<ArrayBuffer>,
  bundle: Uint8Array<ArrayBuffer>,
): Promise<PublishedVersion> {
  const { name, version } = readArchiveManifest(archive);
  const form = new FormData();
  // The interface fixes this order: the registry needs the signature before the archive arrives.
  form.append("bundle", new Blob([bundle], { type: "application/json" }), "bundle.json");
  form.append("archive", new Blob([archive], { type: "application/gzip" }), "archive.tgz");
  const answer = await requestRegistry(parseRegistry(registry), `/packs/${name}/${version}`, {
    ...{ method: "PUT", token, form },
  });
  const published = parsePublishedVersion(answer);
  if (published.digest === archiveDigest(archive)) return published;
  throw new SondeError(
    "DIGEST_MISMATCH",
    `expected the registry to keep ${archiveDigest(archive)}, got ${published.digest}`,
  );
}

/** What an archive says about itself. Nothing of it is verified. */
export function readArchiveManifest(archive: Uint8Array): Manifest {
  const file = readArchive(archive).find(({ path }) => path === "pack.json");
  if (file === undefined) throw new SondeError("ARCHIVE_INVALID", "expected a pack.json, got none");
  return parseManifest(file.bytes);
}
