import type { AgentHold } from "@sonde/schemas/hub";
import { buildAuditRecord } from "../../audit/index.ts";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { acceptCopy } from "./accept-copy.ts";

/** The reason of a hold that ends by itself, when the agent attests well. */
const UNTIL_ATTESTED = "It came back after its certificate had ended, and has not attested since.";

/**
 * Holds agents and releases them. While an agent is held it stays connected and keeps its tools, but
 * no probe of it runs. Each act is recorded before it is done.
 */
export function createAgentHolds({
  auditLog,
  directory,
  now,
}: Pick<Hub, "auditLog" | "directory" | "now">) {
  /** @returns false when the agent is held for this already; then nothing changes */
  async function hold(
    { id, name, holds }: KnownAgent,
    { kind, reason, by }: Omit<AgentHold, "since">,
  ): Promise<boolean> {
    if (holds.some((held) => held.kind === kind)) return false;
    const at = now();
    await auditLog.append(
      buildAuditRecord(at, "agent.held", {
        principal: by,
        agent: name,
        detail: { kind, reason },
      }),
    );
    return await directory.change([{ kind: "agent", id }], async (tx) => {
      const added = await tx`insert into agent_holds (agent_id, kind, reason, since, by)
        select id, ${kind}, ${reason}, ${at}, ${by} from agents where id = ${id}
        on conflict do nothing returning 1`;
      return added.length === 1;
    });
  }

  return {
    hold,
    /**
     * Restricts an agent until its next good attestation. One that never attested is of an older
     * release or new, and stays as it is.
     */
    async restrictUntilAttested(agent: KnownAgent): Promise<void> {
      if (agent.attestation.state === "not-attested") return;
      await hold(agent, { kind: "restricted", reason: UNTIL_ATTESTED, by: "hub" });
    },
    /** The agent attested well: ends what waited for that, and no hold of a person or the policy. */
    async attestedWell({ id, name, holds }: KnownAgent): Promise<void> {
      if (!holds.some(({ reason, by }) => reason === UNTIL_ATTESTED && by === "hub")) return;
      await auditLog.append(
        buildAuditRecord(now(), "agent.released", {
          principal: "hub",
          agent: name,
          detail: { kinds: ["restricted"] },
        }),
      );
      await directory.change([{ kind: "agent", id }], async (tx) => {
        await tx`delete from agent_holds where agent_id = ${id} and kind = 'restricted'
          and reason = ${UNTIL_ATTESTED} and by = 'hub'`;
      });
    },
    /**
     * Ends the holds that the person saw, and no later one.
     *
     * @param by the person's key, as `key:ID`
     */
    async release({ id, name, holds }: KnownAgent, by: string): Promise<void> {
      const kinds = holds.map(({ kind }) => kind);
      const at = now();
      await auditLog.append(
        buildAuditRecord(at, "agent.released", {
          principal: by,
          agent: name,
          detail: { kinds },
        }),
      );
      await directory.change([{ kind: "agent", id }], async (tx) => {
        await tx`delete from agent_holds where agent_id = ${id} and kind = any(${kinds})`;
        await acceptCopy(tx, id, kinds, at);
      });
    },
  };
}
export type AgentHolds = ReturnType<typeof createAgentHolds>;
