import type { Signer } from "@sonde/schemas/trust";
import { scrubSentence } from "@sonde/scrub";
import type { HubPack, KnownAgent } from "../../directory/index.ts";

/** Where a call's probe comes from, as the record of its request keeps it. */
export type CallOrigin = {
  pack: Pick<HubPack, "name" | "version">;
  /** As the hub found it when it verified the archive. */
  signer: Signer;
  /** Who approved the pack on the host, as the agent stated before the call. */
  approved: { by: string; at: string } | null;
};

export function describeOrigin(
  { name, version, digest, signer }: HubPack,
  agent: Pick<KnownAgent, "packs">,
): CallOrigin {
  const report = agent.packs.find((pack) => pack.digest === digest && pack.state === "active");
  // The agent's statement may have members that this release does not know.
  const { by, at } = report?.approved ?? {};
  return {
    pack: { name, version },
    signer,
    approved: by === undefined || at === undefined ? null : { by: scrubSentence(by, 200), at },
  };
}
