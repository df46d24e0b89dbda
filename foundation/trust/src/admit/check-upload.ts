import { SondeError } from "@sonde/schemas/errors";
import { type CheckRequest, type CheckedPack } from "@sonde/schemas/trust";
import { MAX_ARCHIVE_BYTES, readBoundedFile, readReadme } from "../archive/index.ts";
import { MAX_BUNDLE_BYTES, verifyPack } from "../pack/index.ts";

/**
 * Verifies an upload with `verifyPack` and returns what the archive holds.
 *
 * @throws as verifyPack
 */
export async function checkUpload(request: CheckRequest): Promise<CheckedPack> {
  const archive = await readBoundedFile(request.archive, MAX_ARCHIVE_BYTES);
  const bundle = await readBoundedFile(request.bundle, MAX_BUNDLE_BYTES);
  if (archive === null || bundle === null) {
    throw new SondeError("INTERNAL", "check request: expected an archive and a bundle, got none");
  }
  const { digest, contentDigest, signer, manifest, files } = await verifyPack({
    archive,
    bundle: bundle.toString("utf8"),
    policy: request.policy,
    origin: "registry",
  });
  return { digest, contentDigest, signer, manifest, readme: readReadme(files) };
}
