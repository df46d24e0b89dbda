import { type Manifest, SondeError } from "@sonde/schemas";
import type { Submission } from "./submission.ts";

/** Step 4: the token's publisher owns the name, and the archive is what the path says. */
export function checkRights(submission: Submission, manifest: Manifest): void {
  const { name, version, publisher } = submission;
  if (!name.startsWith(`${publisher}/`)) {
    throw new SondeError("FORBIDDEN", `expected a pack of ${publisher}, got ${name}`);
  }
  if (manifest.name !== name || manifest.version !== version) {
    throw new SondeError(
      "MANIFEST_INVALID",
      `expected ${name} ${version} in the archive, got ${manifest.name} ${manifest.version}`,
    );
  }
}
