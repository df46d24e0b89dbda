import type { ApiKeySummary, KeyPolicy } from "@sonde/schemas/hub";
import type { Static } from "typebox";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";

export type KeyRow = { id: string; name: string; policy: KeyPolicy };
type KeySummary = Static<typeof ApiKeySummary>;

/** Stores API keys as hashes. Every hub hears of a revoked key. */
export function createKeyStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    async countKeys(): Promise<number> {
      const [row] = await sql<{ n: number }[]>`select count(*)::int as n from api_keys`;
      return row?.n ?? 0;
    },
    async addKey(key: { id: string; name: string; secret: string; policy: KeyPolicy; at: Date }) {
      await sql`insert into api_keys (id, name, key_sha256, policy, created_at)
        values (${key.id}, ${key.name}, ${hashSecret(key.secret)}, ${sql.json(key.policy)}, ${key.at})`;
    },
    async findKey(secret: string): Promise<KeyRow | null> {
      const [row] = await sql<KeyRow[]>`
        select id, name, policy from api_keys
        where key_sha256 = ${hashSecret(secret)} and revoked_at is null`;
      return row ?? null;
    },
    async listKeys(): Promise<KeySummary[]> {
      const rows = await sql<(KeyRow & { createdAt: Date; revokedAt: Date | null })[]>`
        select id, name, policy, created_at as "createdAt", revoked_at as "revokedAt"
        from api_keys order by created_at, id`;
      return rows.map((row) => ({
        ...row,
        createdAt: row.createdAt.toISOString(),
        revokedAt: row.revokedAt?.toISOString() ?? null,
      }));
    },
    async revokeKey(id: string, at: Date): Promise<void> {
      await directory.change([{ kind: "api-key", id }], async (tx) => {
        await tx`update api_keys set revoked_at = ${at} where id = ${id} and revoked_at is null`;
      });
    },
  };
}
export type KeyStore = ReturnType<typeof createKeyStore>;
