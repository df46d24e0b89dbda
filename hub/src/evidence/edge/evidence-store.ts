import type { Digest } from "@sonde/schemas/names";
import type { DsseEnvelope } from "@sonde/schemas/wire";
import type { Sql } from "postgres";
import type { HeldKeySet } from "../../keys/signing-keys.ts";

/** A key that an agent has, or had. */
export type AgentKey = { agentId: string; publicKey: string; since: Date };

/** Keeps and reads what records and orders name by hash. */
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
    async keepKeySet({ envelope, keys }: HeldKeySet): Promise<void> {
      const rows = keys.command.map(({ signer }) => {
        return { key_id: signer.keyId, key_set: sql.json(envelope) };
      });
      await sql`insert into command_key_sets ${sql(rows)} on conflict do nothing`;
    },
    /** A key set that states this command key. */
    async readKeySet(keyId: Digest): Promise<DsseEnvelope | null> {
      const [row] = await sql<{ keySet: DsseEnvelope }[]>`
        select key_set as "keySet" from command_key_sets where key_id = ${keyId}`;
      return row?.keySet ?? null;
    },
  };
}
export type EvidenceStore = ReturnType<typeof createEvidenceStore>;
