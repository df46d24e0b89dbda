import type { GrantFile, HubMayGrant } from "@sonde/schemas/agent";
import type { Digest } from "@sonde/schemas/names";
import type { AdmittedPack } from "@sonde/schemas/trust";
import type { ApprovalsBody } from "@sonde/schemas/wire";
import { listItems } from "@sonde/sources";
import { type Grant, ungrantedWindows, withheldRequirements } from "./grants.ts";

/** One archive on this host, and what was granted to it. */
export type JudgedArchive = {
  digest: Digest;
  admitted: AdmittedPack;
  /** By people on this host. */
  host: GrantFile | null;
  /** By them and the hub. */
  grant: Grant | null;
  /** Revoked on this host. */
  refused: boolean;
};

/** Of a message, a quarter of what the hub takes: a host of a hundred packs needs a tenth of that. */
const MAX_BYTES = 256 * 1024;

/** Says what is granted on this host, and by whom. Archives beyond what fits are left out. */
export function buildApprovals(
  archives: readonly JudgedArchive[],
  hub: { hubMayGrant: HubMayGrant; revision: number },
): ApprovalsBody {
  const packs: ApprovalsBody["packs"] = [];
  let bytes = 0;
  for (const archive of archives) {
    const described = describeArchive(archive);
    bytes += Buffer.byteLength(JSON.stringify(described));
    if (bytes > MAX_BYTES) break;
    packs.push(described);
  }
  return { ...hub, packs };
}

function describeArchive({
  digest,
  admitted,
  host,
  grant,
  refused,
}: JudgedArchive): ApprovalsBody["packs"][number] {
  const byHost = grantedItems(admitted, host);
  const all = grantedItems(admitted, grant);
  const own = new Set(byHost);
  return {
    pack: admitted.name,
    digest,
    byHost,
    byHub: all.filter((item) => !own.has(item)),
    // What an approval at the hub leaves out still waits for a person.
    withheld: listItems(withheldRequirements(admitted.manifest.requires, host)),
    refused,
  };
}

/** The items that the archive asks for and was granted, as much of each as it reads. */
function grantedItems(admitted: AdmittedPack, grant: GrantFile | null): string[] {
  if (grant === null) return [];
  const granted = new Set(listItems(grant.requires));
  const wider = new Set(ungrantedWindows(admitted, grant).map(({ of }) => of));
  return listItems(admitted.manifest.requires).filter(
    (item) => granted.has(item) && !wider.has(item),
  );
}
