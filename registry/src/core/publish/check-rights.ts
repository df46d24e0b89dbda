import { SondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import type { Submission } from "./submission.ts";

/** Step 7: the archive is what the path says, for which `authorize` saw the right. */
export function checkRights(
  submission: Pick<Submission, "name" | "version">,
  manifest: Manifest,
): void {
  const { name, version } = submission;
  if (manifest.name !== name || manifest.version !== version) {
    throw new SondeError(
      "MANIFEST_INVALID",
      `expected ${name} ${version} in the archive, got ${manifest.name} ${manifest.version}`,
    );
  }
}
