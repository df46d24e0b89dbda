import { buildProbeId } from "@sonde/schemas/names";
import type { PackReport } from "@sonde/schemas/wire";
import type { KnownAgent } from "../../directory/index.ts";
import { maySeePack, maySeeProbe, type Principal } from "../../identity/index.ts";

/**
 * What a principal sees of an agent's packs: those of which it may ask a probe, and of these the
 * probes that it may ask.
 */
export function listVisiblePacks(
  agent: Pick<KnownAgent, "name" | "tags" | "packs" | "desired">,
  principal: Principal,
): { packs: PackReport[]; desired: KnownAgent["desired"]["packs"] } {
  const isVisible = ({ name }: { name: string }) => maySeePack(principal, agent, name);
  return {
    desired: agent.desired.packs.filter(isVisible),
    packs: agent.packs.filter(isVisible).map((pack) => ({
      ...pack,
      probes: pack.probes.filter((probe) =>
        maySeeProbe(principal, agent, buildProbeId(pack.name, probe)),
      ),
    })),
  };
}
