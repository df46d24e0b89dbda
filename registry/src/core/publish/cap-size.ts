import { SondeError } from "@sonde/schemas/errors";
import { MAX_ARCHIVE_BYTES } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";
import type { Submission } from "./submission.ts";

/** Step 1: bounds the size of both files for all later steps. */
export function capSize({ archive, bundle }: Submission): void {
  const bundleBytes = Buffer.byteLength(bundle.text, "utf8");
  if (archive.sizeBytes > MAX_ARCHIVE_BYTES || bundleBytes > MAX_BUNDLE_BYTES) {
    throw new SondeError(
      "BODY_TOO_LARGE",
      `expected at most ${MAX_ARCHIVE_BYTES} bytes of archive and ${MAX_BUNDLE_BYTES} of bundle`,
    );
  }
}
