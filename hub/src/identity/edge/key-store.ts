import { SondeError } from "@sonde/schemas/errors";
import type { ApiKeySummary, KeyPolicy } from "@sonde/schemas/hub";
import type { Static } from "typebox";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";

export type KeyRow = { id: string; name: string; policy: KeyPolicy };
type KeySummary = Static<typeof ApiKeySummary>;

/** Stores API keys as hashes. Every hub hears of a revoked key. */
export function createKeyStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    /** Whether anybody can manage this hub. */
    async hasOperatorKey(): Promise<boolean> {
      const rows = await sql`select 1 from api_keys
        where revoked_at is null and policy ->> 'role' = 'operator' limit 1`;
      return rows.length > 0;
    },
    /**
     * The maker's row is locked, so that its revocation ends this key too or refuses it.
     *
     * @param key `createdBy`: the maker as `key:ID`; null for the hub itself
     * @throws SondeError UNAUTHENTICATED when the maker is no longer in force
     */
    async addKey(key: {
      id: string;
      name: string;
      secret: string;
      policy: KeyPolicy;
      createdBy: string | null;
      at: Date;
    }): Promise<void> {
      const added = await sql`
        with maker as (
          select 1 from api_keys
          where 'key:' || id = ${key.createdBy} and revoked_at is null for share
        )
        insert into api_keys (id, name, key_sha256, policy, created_by, created_at)
        select ${key.id}, ${key.name}, ${hashSecret(key.secret)}, ${sql.json(key.policy)},
          ${key.createdBy}, ${key.at}
        where ${key.createdBy === null} or exists (select 1 from maker) returning 1`;
      if (added.length === 1) return;
      throw new SondeError("UNAUTHENTICATED", "expected a key in force, got one that was revoked");
    },
    async findKey(secret: string): Promise<KeyRow | null> {
      const [row] = await sql<KeyRow[]>`
        select id, name, policy from api_keys
        where key_sha256 = ${hashSecret(secret)} and revoked_at is null`;
      return row ?? null;
    },
    async listKeys(): Promise<KeySummary[]> {
      const rows = await sql<
        (KeyRow & { createdAt: Date; createdBy: string | null; revokedAt: Date | null })[]
      >`
        select id, name, policy, created_at as "createdAt", created_by as "createdBy",
          revoked_at as "revokedAt"
        from api_keys order by created_at, id`;
      return rows.map((row) => ({
        ...row,
        createdAt: row.createdAt.toISOString(),
        revokedAt: row.revokedAt?.toISOString() ?? null,
      }));
    },
    /** The key and all that was made with it, and with these: those that are in force. */
    async listInForce(id: string): Promise<{ id: string; name: string }[]> {
      return await sql<{ id: string; name: string }[]>`
        with recursive made(id) as (
          select ${id}::uuid
          union
          select k.id from api_keys k join made on k.created_by = 'key:' || made.id
        )
        select id, name from api_keys join made using (id)
        where revoked_at is null order by created_at, id`;
    },
    async revokeKeys(ids: string[], at: Date): Promise<void> {
      const changes = ids.map((id) => ({ kind: "api-key" as const, id }));
      await directory.change(changes, async (tx) => {
        await tx`update api_keys set revoked_at = ${at}
          where id = any(${ids}) and revoked_at is null`;
      });
    },
  };
}
export type KeyStore = ReturnType<typeof createKeyStore>;
