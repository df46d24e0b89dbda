import type { Digest } from "@sonde/schemas/names";
import type { Sql } from "postgres";

/** A key that an agent has, or had. */
export type AgentKey = { agentId: string; publicKey: string; since: Date };

/** Reads what records name by hash. */
export function createEvidenceStore(sql: Sql) {
  return {
    async readPolicy(sha256: Digest): Promise<string | null> {
      const [row] = await sql<{ text: string }[]>`
        select text from policy_texts where sha256 = ${sha256}`;
      return row?.text ?? null;
    },
    async readAgentKey(keyId: Digest): Promise<AgentKey | null> {
      const [row] = await sql<AgentKey[]>`
        select agent_id as "agentId", public_key as "publicKey", since
        from agent_keys where key_id = ${keyId}`;
      return row ?? null;
    },
  };
}
export type EvidenceStore = ReturnType<typeof createEvidenceStore>;
