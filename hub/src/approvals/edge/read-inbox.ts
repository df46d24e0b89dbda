import type { Inbox, InboxEntry } from "@sonde/schemas/approvals";
import type { AgentAttestation } from "@sonde/schemas/hub";
import type { HeldTool } from "../../catalog/index.ts";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent, maySeePack, type Principal } from "../../identity/index.ts";
import { grantableItems, isWaiting } from "../core/describe-request.ts";
import type { Approvals } from "./approvals.ts";

/** The most entries of one answer. */
const MAX_ENTRIES = 200;

export type ReadInbox = (principal: Principal) => Promise<Inbox>;

export type InboxParts = Pick<Hub, "directory"> & {
  approvals: Pick<Approvals, "describeListed">;
  /** The words of tools that differ from those that were approved. */
  heldTools: () => Promise<HeldTool[]>;
  describeAttestation: (agent: KnownAgent) => Promise<AgentAttestation>;
};

/** Lists what waits for a person, of the agents and packs that the person may see. */
export function createInbox(parts: InboxParts): ReadInbox {
  const { directory, approvals, heldTools, describeAttestation } = parts;

  return async (principal) => {
    const agents = directory.agents().filter((agent) => maySeeAgent(principal, agent));
    const packs = agents.flatMap((agent) => listPacks(principal, agent));
    const tools = (await heldTools()).flatMap((tool) => describeTool(principal, agents, tool));
    const holds = agents.flatMap(describeHolds);
    const odd = agents.filter(({ attestation: { state } }) => {
      return state === "review" || state === "unapproved";
    });
    const listed = [...packs, ...tools, ...holds];
    const room = Math.max(0, MAX_ENTRIES - listed.length);
    const drift = (await Promise.all(odd.slice(0, room).map(describeDrift))).flat();
    const entries = [...listed, ...drift].slice(0, MAX_ENTRIES);
    return { entries, more: listed.length + odd.length - entries.length };
  };

  function listPacks(principal: Principal, agent: KnownAgent): InboxEntry[] {
    const digests = [...agent.packs, ...agent.desired.packs].flatMap(({ name, digest }) =>
      digest !== null && maySeePack(principal, agent, name) ? [digest] : [],
    );
    return [...new Set(digests)].flatMap((digest): InboxEntry[] => {
      const pack = directory.packs().get(digest);
      if (pack === undefined) return [];
      const request = approvals.describeListed(agent, pack);
      if (!isWaiting(request)) return [];
      const isDesired = agent.desired.packs.some((one) => one.digest === digest);
      const isDecidedHere = isDesired && grantableItems(request).length > 0;
      const waits = request.approval !== null;
      const path = `/agents/${agent.name}/packs/${pack.name}`;
      const act = waits
        ? post(`${path}/revoke-approval`)
        : post(`${path}/approve`, { shownSha256: request.shownSha256 });
      return [
        {
          id: `approval ${agent.name} ${digest}`,
          kind: "approval",
          request,
          act: waits || isDecidedHere ? act : null,
        },
      ];
    });
  }

  function describeTool(
    principal: Principal,
    agents: readonly KnownAgent[],
    { pack, probe, approved, stated }: HeldTool,
  ): InboxEntry[] {
    const on = agents.filter(
      (agent) =>
        agent.desired.packs.some(({ digest }) => digest === pack.digest) &&
        maySeePack(principal, agent, pack.name),
    );
    if (on.length === 0) return [];
    return [
      {
        id: `tool ${probe} ${pack.digest}`,
        kind: "tool",
        probe,
        pack: pack.name,
        version: pack.version,
        packDigest: pack.digest,
        agents: on.map(({ name }) => name),
        ...{ approved, stated },
        act: post("/tool-pins", { packDigest: pack.digest }),
      },
    ];
  }

  async function describeDrift(agent: KnownAgent): Promise<InboxEntry[]> {
    const { state, attestedAt, differences, statementSha256 } = await describeAttestation(agent);
    if (attestedAt === null || statementSha256 === null) return [];
    const { name } = agent;
    const act = post(`/agents/${name}/accept-drift`, { statementSha256 });
    const common = { id: `attestation ${name} ${statementSha256}`, agent: name, attestedAt, act };
    if (state === "unapproved") return [{ ...common, kind: "first-attestation" }];
    return state === "review" ? [{ ...common, kind: "drift", differences }] : [];
  }
}

function describeHolds({ name, holds }: KnownAgent): InboxEntry[] {
  return holds.map((hold) => ({
    id: `hold ${name} ${hold.kind}`,
    kind: "hold",
    agent: name,
    hold,
    act: post(`/agents/${name}/release`),
  }));
}

function post(path: string, body: Record<string, unknown> = {}) {
  return { method: "POST" as const, path, body };
}
