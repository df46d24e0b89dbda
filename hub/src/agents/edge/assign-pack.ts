import { SondeError } from "@sonde/schemas/errors";
import { MAX_PACKS } from "@sonde/schemas/wire";
import { buildAuditRecord } from "../../audit/index.ts";
import type { AssignablePacks } from "../../catalog/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import type { Principal } from "../../identity/index.ts";
import type { AgentChanges } from "./agent-changes.ts";

/**
 * Lets an agent have a pack, recorded first.
 *
 * @param wanted a version, or a range such as `^1`
 * @throws SondeError BAD_REQUEST for a full agent; what `AssignablePacks.obtain` throws
 */
export type AssignPackTo = (
  agent: KnownAgent,
  pack: string,
  wanted: string,
  principal: Principal,
) => Promise<HubPack>;

export function createAssignPack(
  { auditLog, now }: Pick<Hub, "auditLog" | "now">,
  agents: Pick<AgentChanges, "assignPack">,
  packs: AssignablePacks,
): AssignPackTo {
  return async (agent, name, wanted, principal) => {
    requireRoom(agent, name);
    const pack = await packs.obtain(name, wanted, agent.hello?.agentVersion ?? null);
    const { version, digest } = pack;
    const at = now();
    const by = principal.subject.id;
    await auditLog.append(
      buildAuditRecord(now(), "desired-state.changed", {
        ...{ principal: by, agent: agent.name, detail: { pack: name, version, digest } },
      }),
    );
    // Installing a pack approves the words of its new probes. Words that differ from a pin stay
    // held until a person approves them.
    await packs.approveNewTools(pack, by, at);
    await agents.assignPack({ agentId: agent.id, pack: name, digest, by, at });
    return pack;
  };
}

/**
 * Keeps the desired state within what an agent accepts. An agent ends its session on a longer one,
 * again after every reconnect.
 */
function requireRoom({ name: agent, desired }: KnownAgent, pack: string): void {
  const others = desired.packs.filter(({ name }) => name !== pack);
  if (others.length < MAX_PACKS) return;
  throw new SondeError(
    "BAD_REQUEST",
    `${agent}: expected at most ${MAX_PACKS} packs, got one more`,
  );
}
