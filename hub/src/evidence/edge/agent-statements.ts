import type { Digest } from "@sonde/schemas/names";
import type { KeptMessage } from "@sonde/trust/envelope";
import type { Sql } from "postgres";

/** Statements of one agent that are kept: an agent may change what it states as often as it likes. */
const MAX_STATEMENTS = 500;

/** An agent's signed statements about itself, as evidence of what it was at a time. */
export type AgentStatements = {
  /** Keeps the message of a statement that differs from the one that is kept. */
  keep(agentId: string, stated: { sha256: Digest; at: Date; message: KeptMessage }): Promise<void>;
  /** The newest that was made until then; null when there is none. */
  readAt(agentId: string, at: Date): Promise<KeptMessage | null>;
};

export function createAgentStatements(sql: Sql): AgentStatements {
  return {
    async keep(agentId, { sha256, at, message }) {
      const added = await sql`insert into agent_statements (agent_id, at, sha256, message)
        select ${agentId}, ${at}, ${sha256}, ${sql.json(message)}
        where ${sha256} is distinct from (select sha256 from agent_statements
          where agent_id = ${agentId} order by at desc limit 1)
        on conflict do nothing`;
      if (added.count === 0) return;
      await sql`delete from agent_statements where agent_id = ${agentId} and at <= (
        select at from agent_statements where agent_id = ${agentId}
        order by at desc offset ${MAX_STATEMENTS} limit 1)`;
    },
    async readAt(agentId, at) {
      const [row] = await sql<{ message: KeptMessage }[]>`
        select message from agent_statements where agent_id = ${agentId} and at <= ${at}
        order by at desc limit 1`;
      return row?.message ?? null;
    },
  };
}
