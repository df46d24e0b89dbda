import type { AgentDetail, AttestationSummary } from "@sonde/schemas/hub";
import { MAX_SKEW_MS } from "@sonde/schemas/wire";
import { describeReport } from "../agent/describe-pack.ts";
import { formatTable } from "../table.ts";

/**
 * Output of `sonde agents` for a person: a row for each agent, and one for each reason why it is held
 * and for each pack that does not serve, or serves in part.
 */
export function describeAgents(agents: readonly AgentDetail[]): string {
  if (agents.length === 0) return "No agent is enrolled. To add one: sonde agents invite NAME";
  return formatTable(
    ["AGENT", "STATE", "VERSION", "CERTIFICATE UNTIL", "CLOCK", "ATTESTED", "TAGS", "PACKS"],
    agents.flatMap((agent) => {
      const held = agent.holds.map(({ kind, reason }) => `${kind}: ${reason}`);
      const active = agent.packs.filter(({ state }) => state === "active");
      const shown = agent.packs.filter(
        ({ state, reason }) => state !== "active" || reason !== null,
      );
      return [
        [
          agent.name,
          describeState(agent),
          agent.agentVersion ?? "-",
          agent.certificateExpiresAt ?? "-",
          describeClock(agent.clockSkewMs),
          describeAttested(agent.attestation),
          agent.tags.join(" ") || "-",
          `${active.length} active`,
        ],
        ...held.map((hold) => ["", "", "", "", "", "", "", hold]),
        ...shown.map((pack) => ["", "", "", "", "", "", "", describeReport(pack)]),
      ];
    }),
  );
}

function describeState(agent: AgentDetail): string {
  return [...agent.holds.map(({ kind }) => kind), describeConnection(agent)].join(", ");
}

function describeConnection({ online, lastSeenAt, refusedHubAt }: AgentDetail): string {
  if (refusedHubAt !== null && !online)
    return `refuses this hub as rolled back since ${refusedHubAt}`;
  if (lastSeenAt === null) return online ? "connected" : "never connected";
  return online ? `connected, last said ${lastSeenAt}` : `offline since ${lastSeenAt}`;
}

/** How far the agent's clock is ahead of the hub's. Beyond the limit its messages are refused. */
function describeClock(skewMs: number | null): string {
  if (skewMs === null) return "-";
  const seconds = `${skewMs < 0 ? "-" : "+"}${(Math.abs(skewMs) / 1000).toFixed(1)} s`;
  return Math.abs(skewMs) > MAX_SKEW_MS ? `${seconds} WRONG` : seconds;
}

/** Whether an agent is as a person approved it, by its own word. */
export function describeAttested({ state, expected, review }: AttestationSummary): string {
  switch (state) {
    case "approved":
      return "as approved";
    case "expected":
      return `expected drift (${expected})`;
    case "review":
      return `DRIFT (${review} to review)`;
    case "unapproved":
      return "NOT APPROVED";
    case "not-attested":
      return "not attested";
  }
}
