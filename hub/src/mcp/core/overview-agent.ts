import { markUnsigned } from "@sonde/schemas/trust";
import { buildProbeId, toolNameOf } from "@sonde/schemas/names";
import { listVisiblePacks } from "../../agents/index.ts";
import { type Catalog, findOfferedTool } from "../../catalog/index.ts";
import type { Directory, KnownAgent } from "../../directory/index.ts";
import type { Principal } from "../../identity/index.ts";

type Ports = {
  catalog: Pick<Catalog, "entries" | "runbookOf">;
  directory: Pick<Directory, "packs">;
};

/**
 * What the hub knows of an agent, in few words: nothing is asked. A principal sees the packs and
 * tools that it may ask.
 */
export function overviewAgent(
  { catalog, directory }: Ports,
  principal: Principal,
  agent: KnownAgent,
  online: boolean,
): Record<string, unknown> {
  const { attestation, hello, holds, lastSeenAt, clockSkewMs, certificateExpiresAt } = agent;
  const { packs, desired } = listVisiblePacks(agent, principal);
  return {
    ...{ tags: agent.tags, online, lastSeenAt },
    // While it is held, each of its probes refuses with the reason.
    held: holds.map(({ kind, reason, since }) => `${kind} since ${since}: ${reason}`),
    release: hello?.agentVersion ?? null,
    os: hello?.os ?? null,
    kernel: hello?.kernel ?? null,
    // Whether the host is as a person approved it, by its own word, and how many things differ.
    attestation: attestation.state,
    drift: { expected: attestation.expected, toReview: attestation.review },
    clockSkewMs: clockSkewMs === null ? null : Math.round(clockSkewMs),
    certificateExpiresAt,
    packs: packs.map(({ name, version, digest, state, signer, probes, reason }) => {
      const known =
        state === "active" && digest !== null ? directory.packs().get(digest) : undefined;
      const tools =
        known !== undefined ? probes.map((one) => toolNameOf(buildProbeId(name, one))) : [];
      return {
        pack: `${name} ${version}${markUnsigned(signer)}`,
        state,
        why: reason === null ? null : `${reason.code}: ${reason.message}`,
        // What it looks for, if it can be run.
        runbook: known === undefined ? null : (catalog.runbookOf(known)?.description ?? null),
        tools: tools.filter((tool) => findOfferedTool(catalog, principal, agent, tool) !== null),
      };
    }),
    missing: desired
      .filter(({ name }) => !packs.some((pack) => pack.name === name))
      .map(({ name, version }) => `${name} ${version}`),
  };
}
