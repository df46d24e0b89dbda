import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest } from "@sonde/schemas/names";
import { archiveDigest, contentDigest, readArchive } from "../archive/index.ts";
import { checkCode } from "./check-code.ts";
import { parseManifest } from "./check-manifest.ts";
import { bytesOf } from "./verify-pack.ts";
import { readSignatureClaim, type SignatureClaim } from "./verify-signature.ts";

/** What an archive holds, and who its bundle says signed it. Nobody's trust was asked. */
export type InspectedPack = {
  digest: Digest;
  contentDigest: Digest;
  manifest: Manifest;
  /** null without a bundle. */
  claim: SignatureClaim | null;
};

/**
 * Checks everything of a pack that needs no policy: the archive, what its bundle covers,
 * the manifest and the code. Only `verifyPack` makes a pack that may run.
 *
 * @param bundle JSON text of the Sigstore bundle; null when there is none
 * @throws SondeError ARCHIVE_INVALID, DIGEST_MISMATCH, SIGNATURE_INVALID, MANIFEST_INVALID,
 *   REQUIRES_MISMATCH, PACK_NEEDS_NEWER_AGENT, CODE_REFUSED
 */
export function inspectPack(archive: Uint8Array, bundle: string | null): InspectedPack {
  const digest = archiveDigest(archive);
  const files = readArchive(archive);
  const content = contentDigest(files);
  const claim = bundle === null ? null : readSignatureClaim(bundle, digest, content);
  const manifest = parseManifest(bytesOf(files, "pack.json"));
  checkCode(bytesOf(files, "index.js"));
  return { digest, contentDigest: content, manifest, claim };
}
