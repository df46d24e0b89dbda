import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { readGrants } from "@sonde/files";
import type { GrantFile, HubMayGrant } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import type { FilledRead } from "@sonde/schemas/reads";
import {
  checkFilled,
  deriveRequires,
  deriveWindows,
  listItems,
  mayHubGrant,
  unnamedEndpoints,
  widerWindows,
} from "@sonde/sources";

/**
 * Returns a check that refuses reads beyond the grants of this host. The agent checks the same for
 * each pack before it asks. This one holds when the agent does not: its process speaks to the
 * network, and this one does not. A grant that was removed or changed counts at the next read.
 *
 * What the host lets a hub grant is read without a grant of the host: only the agent knows what the hub
 * granted.
 *
 * @param folder undefined where nobody named one; then nothing is refused here
 * @param owners whose files count
 * @param hubMayGrant as root on this host said
 */
export function createGrantCheck(
  folder: string | undefined,
  owners: readonly number[],
  hubMayGrant: HubMayGrant,
): (reads: readonly FilledRead[]) => void {
  if (folder === undefined) return () => undefined;
  let seen = "";
  let grants: GrantFile[] = [];
  return (reads) => {
    const now = describeFolder(folder);
    if (now === null || now !== seen) grants = [...readGrants(folder, owners).byPack.values()];
    seen = now ?? "";
    for (const read of reads) {
      const { name, source } = read;
      // What was granted is a shape with holes; a value that does not fit leads elsewhere.
      checkFilled(read);
      const needs = listItems(deriveRequires({ it: source }));
      const windows = deriveWindows({ it: source });
      const isGranted = grants.some((grant) => {
        const items = new Set(listItems(grant.requires));
        return (
          unnamedEndpoints(read, grant.endpoints).length === 0 &&
          needs.every((item) => items.has(item)) &&
          // A grant of release 0.1.0 has no windows; which archive it covers, the agent knows.
          (grant.windows === undefined || widerWindows(windows, grant.windows).length === 0)
        );
      });
      if (!isGranted && !mayHubGrant(source, hubMayGrant)) {
        throw new SondeError(
          "READ_NOT_GRANTED",
          `${name}: expected a grant of this host for ${needs.join(", ")}, found none`,
        );
      }
    }
  };
}

/** What changes with the files of a folder; null when it cannot be looked at. */
function describeFolder(folder: string): string | null {
  try {
    return ["", ...readdirSync(folder)]
      .map((name) => {
        const { ino, mtimeNs, ctimeNs, size } = statSync(join(folder, name), { bigint: true });
        return `${name} ${ino} ${mtimeNs} ${ctimeNs} ${size}`;
      })
      .join("\n");
  } catch {
    // A folder or file that cannot be looked at is read anew, and readGrants says what counts.
    return null;
  }
}
