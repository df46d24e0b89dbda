import type { HoldKind } from "@sonde/schemas/hub";
import type { TransactionSql } from "postgres";

/**
 * Makes the copy that a person released the agent. Of a copy that came back older, the certificates
 * newer than its own belong to the state that was lost: they are revoked, so that whoever still has
 * them is refused. The agent's log then counts from the head that it stated last when it connected.
 * A released lock approves no copy: the next one that connects is judged anew.
 *
 * @param kinds the holds that the person released
 */
export async function acceptCopy(
  tx: TransactionSql,
  agentId: string,
  kinds: readonly HoldKind[],
  at: Date,
): Promise<void> {
  if (kinds.includes("locked")) {
    await tx`update agents set stale_generation = null where id = ${agentId}`;
  } else if (kinds.includes("rolled-back")) {
    await tx`update agent_certificates c set revoked_at = ${at} from agents a
      where a.id = ${agentId} and c.agent_id = a.id and c.revoked_at is null
        and c.generation > a.stale_generation`;
    await tx`update agents set generation = coalesce(stale_generation, generation),
      stale_generation = null, audit_head = hello->'auditHead' where id = ${agentId}`;
  }
}

/** Begins anew with the newest certificate of an agent that was enrolled: its old key, log and packs are gone. */
export async function forgetCopies(tx: TransactionSql, agentId: string): Promise<void> {
  await tx`update agents set stale_generation = null, audit_head = null,
    generation = (select max(generation) from agent_certificates where agent_id = ${agentId}),
    packs = '[]' where id = ${agentId}`;
  await tx`delete from agent_holds where agent_id = ${agentId} and kind in ('locked', 'rolled-back')`;
}
