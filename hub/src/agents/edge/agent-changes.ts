import type { Digest } from "@sonde/schemas/names";
import type { ChangeTags } from "@sonde/schemas/hub";
import { changeTags, type Tag } from "@sonde/schemas/tags";
import type { HelloBody, PackReport } from "@sonde/schemas/wire";
import type { PendingQuery, Row, Sql, TransactionSql } from "postgres";
import { type Directory, toStorable } from "../../directory/index.ts";

/** When the hub heard a statement, and the agent's clock minus the hub's at that time. */
type Heard = { at: Date; skewMs: number | null };

/**
 * Writes what changes about an agent: its statements and its desired packs. Each method is one
 * change of the directory, so every hub hears of it.
 */
export function createAgentChanges(sql: Sql, directory: Pick<Directory, "change" | "changeAgent">) {
  const change = (agentId: string, work: (tx: TransactionSql) => Promise<unknown>) =>
    directory.change([{ kind: "agent", id: agentId }], async (tx) => {
      await work(tx);
    });
  const set = async (agentId: string, assignments: PendingQuery<Row[]>) => {
    await directory.changeAgent(agentId, assignments);
  };
  return {
    saveHello: (agentId: string, hello: HelloBody, { at, skewMs }: Heard): Promise<void> =>
      set(
        agentId,
        sql`hello = ${sql.json(toStorable(hello))}, packs = ${sql.json(toStorable(hello.packs))},
          last_seen_at = ${at}, clock_skew_ms = ${skewMs}, refused_hub_at = null`,
      ),
    savePacks: (agentId: string, packs: PackReport[], { at, skewMs }: Heard): Promise<void> =>
      set(
        agentId,
        sql`packs = ${sql.json(toStorable(packs))}, last_seen_at = ${at}, clock_skew_ms = ${skewMs}`,
      ),
    /** Of an agent whose messages are refused for their time. */
    saveSkew: (agentId: string, skewMs: number | null): Promise<void> =>
      set(agentId, sql`clock_skew_ms = ${skewMs}`),
    /** Of an agent that saw a later state of this hub. */
    saveRefusal: (agentId: string, at: Date): Promise<void> =>
      set(agentId, sql`refused_hub_at = ${at}`),
    /** @throws SondeError BAD_REQUEST when the change does not fit the tags that there are */
    changeTags: (agentId: string, wish: ChangeTags): Promise<void> =>
      change(agentId, async (tx) => {
        const [agent] = await tx<{ tags: Tag[] }[]>`
          select tags from agents where id = ${agentId} for update`;
        const tags = changeTags(agent?.tags ?? [], wish);
        await tx`update agents set tags = ${tx.json(tags)} where id = ${agentId}`;
      }),
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
