import { SondeError } from "@sonde/schemas/errors";
import { type Manifest } from "@sonde/schemas/manifest";
import type { Submission } from "./submission.ts";

/** Step 7: the archive must be the version of the path, since `authorize` checked the path only. */
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
