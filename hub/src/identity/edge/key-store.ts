import { SondeError } from "@sonde/schemas/errors";
import type { ApiKeySummary, KeyPolicy } from "@sonde/schemas/hub";
import type { PolicyRef } from "@sonde/schemas/policy";
import type { Static } from "typebox";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";
import { personInForce } from "./in-force.ts";

/** `endsAt` is the end of the key, or of the secret by which it was found; null for neither. */
export type KeyRow = {
  id: string;
  name: string;
  policy: KeyPolicy;
  held: PolicyRef | null;
  endsAt: Date | null;
};

/**
 * The key is in force at a time: it was not revoked, has not ended, and the person who made it is there
 * and not disabled: whoever is sent away keeps no way in.
 */
const inForce = (sql: Sql, at: Date) =>
  sql`revoked_at is null and (expires_at is null or expires_at > ${at})
    and (person_id is null or ${personInForce(sql, "person_id")})`;
type KeySummary = Static<typeof ApiKeySummary>;

/** Stores API keys as hashes. Every hub hears of a revoked key. */
export function createKeyStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    /** Whether anybody can manage this hub. */
    async hasOperatorKey(at: Date): Promise<boolean> {
      const rows = await sql`select 1 from api_keys
        where ${inForce(sql, at)} and policy ->> 'role' = 'operator' limit 1`;
      return rows.length > 0;
    },
    /**
     * The maker's row is locked, so that its revocation ends this key too or refuses it.
     *
     * @param key `createdBy`: the maker's id; null for the hub itself. `person`: the id of the person who
     *   makes it; that of a key that makes it counts in its place. `held` is a policy that the key
     *   holds besides its own.
     * @throws SondeError UNAUTHENTICATED when the maker is a key that is no longer in force;
     *   BAD_REQUEST when the maker ends, and this key would end later
     */
    async addKey(key: {
      id: string;
      name: string;
      secret: string;
      policy: KeyPolicy;
      createdBy: string | null;
      person?: string | null;
      at: Date;
      expiresAt?: Date | null;
      held?: PolicyRef | null;
    }): Promise<void> {
      const { createdBy, expiresAt = null, held = null } = key;
      const holder = `key:${key.id}`;
      const changes = [
        { kind: "api-key-made" as const, id: key.id },
        ...(held === null ? [] : [{ kind: "holder" as const, id: holder }]),
      ];
      let { person = null } = key;
      await directory.change(changes, async (tx) => {
        if (createdBy?.startsWith("key:") === true) {
          const [maker] = await tx<{ expiresAt: Date | null; person: string | null }[]>`
            select expires_at as "expiresAt", person_id as person from api_keys
            where 'key:' || id = ${createdBy} and ${inForce(sql, key.at)} for share`;
          if (maker === undefined) {
            const got = "expected a key in force, got one that was revoked or has ended";
            throw new SondeError("UNAUTHENTICATED", got);
          }
          requireEndsWith(maker.expiresAt, expiresAt);
          ({ person } = maker);
        }
        await tx`
          insert into api_keys
            (id, name, key_sha256, policy, created_by, person_id, created_at, expires_at)
          values (${key.id}, ${key.name}, ${hashSecret(key.secret)}, ${sql.json(key.policy)},
            ${createdBy}, ${person}, ${key.at}, ${expiresAt})`;
        if (held !== null) {
          await tx`insert into policy_holders (holder, policy, set_by, set_at)
            values (${holder}, ${sql.json(held)}, ${createdBy ?? "hub"}, ${key.at})`;
        }
      });
    },
    /** Finds a key in force by its secret, also by the one before a rotation until that ends. */
    async findKey(secret: string, at: Date): Promise<KeyRow | null> {
      const hash = hashSecret(secret);
      const [row] = await sql<KeyRow[]>`
        select id, name, api_keys.policy, held.policy as held, case when key_sha256 = ${hash} then expires_at
          else least(expires_at, previous_ends_at) end as "endsAt"
        from api_keys left join policy_holders held on holder = 'key:' || id
        where ${inForce(sql, at)} and (key_sha256 = ${hash}
          or (previous_sha256 = ${hash} and previous_ends_at > ${at}))`;
      return row ?? null;
    },
    async readKey(id: string, at: Date): Promise<Omit<KeyRow, "endsAt"> | null> {
      const [row] = await sql<Omit<KeyRow, "endsAt">[]>`
        select id, name, api_keys.policy, held.policy as held
        from api_keys left join policy_holders held on holder = 'key:' || id
        where id = ${id} and ${inForce(sql, at)}`;
      return row ?? null;
    },
    /**
     * Gives a key a new secret. The present one ends at `previousEndsAt`; one before it ends now.
     *
     * @returns false when no key in force has the id
     */
    async rotateKey(id: string, secret: string, at: Date, previousEndsAt: Date): Promise<boolean> {
      return await directory.change([{ kind: "api-key", id }], async (tx) => {
        const rotated = await tx`
          update api_keys set key_sha256 = ${hashSecret(secret)}, previous_sha256 = key_sha256,
            previous_ends_at = ${previousEndsAt}, rotated_at = ${at}
          where id = ${id} and ${inForce(sql, at)} returning 1`;
        return rotated.length === 1;
      });
    },
    /** Hubs of one database note a key's use once a minute together. */
    async noteUse(id: string, address: string, at: Date): Promise<void> {
      await sql`update api_keys set last_used_at = ${at}, last_used_address = ${address}
        where id = ${id}
          and (last_used_at is null or last_used_at <= ${at}::timestamptz - interval '1 minute')`;
    },
    /** Keys of which the secret before a rotation, or all, ended after `since` and by `until`. */
    async listEnded(since: Date, until: Date): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`select id from api_keys
        where (expires_at > ${since} and expires_at <= ${until})
          or (previous_ends_at > ${since} and previous_ends_at <= ${until})`;
      return rows.map(({ id }) => id);
    },
    /** Ids of all keys that the person made, also of those that have ended. */
    async listMadeBy(person: string): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`
        select id from api_keys where person_id = ${person}`;
      return rows.map(({ id }) => id);
    },
    /** Keys of a person who is gone or disabled; none of one who is in force. */
    async listEndedWith(person: string): Promise<string[]> {
      const rows = await sql<{ id: string }[]>`
        select id from api_keys
        where person_id = ${person} and not ${personInForce(sql, "person_id")}`;
      return rows.map(({ id }) => id);
    },
    async listKeys(): Promise<KeySummary[]> {
      type Times = Record<
        "createdAt" | "revokedAt" | "expiresAt" | "rotatedAt" | "previousEndsAt" | "lastUsedAt",
        Date | null
      >;
      type Row = Omit<KeySummary, keyof Times> & Times & { createdAt: Date };
      const rows = await sql<Row[]>`
        select id, name, api_keys.policy, held.policy as held, created_at as "createdAt",
          created_by as "createdBy", revoked_at as "revokedAt", expires_at as "expiresAt",
          rotated_at as "rotatedAt", previous_ends_at as "previousEndsAt",
          last_used_at as "lastUsedAt", last_used_address as "lastUsedAddress"
        from api_keys left join policy_holders held on holder = 'key:' || id
        order by created_at, id`;
      const text = (at: Date | null) => at?.toISOString() ?? null;
      return rows.map((row) => ({
        ...row,
        createdAt: row.createdAt.toISOString(),
        revokedAt: text(row.revokedAt),
        expiresAt: text(row.expiresAt),
        rotatedAt: text(row.rotatedAt),
        previousEndsAt: text(row.previousEndsAt),
        lastUsedAt: text(row.lastUsedAt),
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
      const holders = ids.map((id) => `key:${id}`);
      const changes = [
        ...ids.map((id) => ({ kind: "api-key" as const, id })),
        ...holders.map((id) => ({ kind: "holder" as const, id })),
      ];
      await directory.change(changes, async (tx) => {
        await tx`update api_keys set revoked_at = ${at}
          where id = any(${ids}) and revoked_at is null`;
        await tx`delete from policy_holders where holder = any(${holders})`;
      });
    },
  };
}
export type KeyStore = ReturnType<typeof createKeyStore>;

/** What a stolen key makes ends with it, so what a key makes that ends by itself ends by then too. */
function requireEndsWith(maker: Date | null, made: Date | null): void {
  if (maker === null || (made !== null && made <= maker)) return;
  throw new SondeError(
    "BAD_REQUEST",
    `expiresAt: expected ${maker.toISOString()} or before, when the key that makes it ends, got ${made?.toISOString() ?? "none"}`,
  );
}
