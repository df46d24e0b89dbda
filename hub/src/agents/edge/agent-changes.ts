import type { Digest } from "@sonde/schemas/names";
import type { HelloBody, PackReport } from "@sonde/schemas/wire";
import type { TransactionSql } from "postgres";
import type { Directory } from "../../directory/index.ts";

/**
 * Writes what changes about an agent: its statements and its desired packs. Each method is one
 * change of the directory, so every hub hears of it.
 */
export function createAgentChanges(directory: Pick<Directory, "change">) {
  const change = (agentId: string, work: (tx: TransactionSql) => Promise<unknown>) =>
    directory.change([{ kind: "agent", id: agentId }], async (tx) => {
      await work(tx);
    });
  return {
    saveHello: (agentId: string, hello: HelloBody, at: Date): Promise<void> =>
      change(
        agentId,
        (tx) => tx`update agents set hello = ${tx.json(hello)}, packs = ${tx.json(hello.packs)},
          last_seen_at = ${at} where id = ${agentId}`,
      ),
    savePacks: (agentId: string, packs: PackReport[], at: Date): Promise<void> =>
      change(
        agentId,
        (tx) => tx`update agents set packs = ${tx.json(packs)}, last_seen_at = ${at}
          where id = ${agentId}`,
      ),
    assignPack: (wish: {
      agentId: string;
      pack: string;
      digest: Digest;
      by: string;
      at: Date;
    }): Promise<void> =>
      change(wish.agentId, async (tx) => {
        await tx`insert into desired_packs (agent_id, pack, digest, assigned_by, assigned_at)
          values (${wish.agentId}, ${wish.pack}, ${wish.digest}, ${wish.by}, ${wish.at})
          on conflict (agent_id, pack) do update set digest = excluded.digest,
            assigned_by = excluded.assigned_by, assigned_at = excluded.assigned_at`;
        await raiseRevision(tx, wish.agentId);
      }),
    removePack: (agentId: string, pack: string): Promise<void> =>
      change(agentId, async (tx) => {
        await tx`delete from desired_packs where agent_id = ${agentId} and pack = ${pack}`;
        await raiseRevision(tx, agentId);
      }),
  };
}
export type AgentChanges = ReturnType<typeof createAgentChanges>;

async function raiseRevision(tx: TransactionSql, agentId: string): Promise<void> {
  await tx`update agents set desired_revision = desired_revision + 1 where id = ${agentId}`;
}
