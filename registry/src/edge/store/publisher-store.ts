import {
  type AddedPublisher,
  type Digest,
  type PublisherList,
  type PublisherName,
  SondeError,
} from "@sonde/schemas";
import type { Sql } from "postgres";
import { type NewToken, insertToken } from "./token-store.ts";

export type NewPublisher = {
  name: PublisherName;
  keyId: Digest;
  publicKey: string;
  token: Omit<NewToken, "publisher">;
};

type PublisherRow = PublisherList["publishers"][number];

/** Publishers with their keys, as the operator added them. */
export function createPublisherStore(sql: Sql) {
  return {
    /** One transaction: creates the publisher when new, adds the key when new, adds the token. */
    async addPublisher({ name, keyId, publicKey, token }: NewPublisher): Promise<AddedPublisher> {
      const at = token.createdAt;
      return await sql.begin(async (transaction) => {
        await transaction`insert into publishers (name, created_at) values (${name}, ${at})
          on conflict do nothing`;
        await transaction`insert into publisher_keys (publisher, key_id, public_key, created_at)
          values (${name}, ${keyId}, ${publicKey}, ${at}) on conflict do nothing`;
        const made = await insertToken(transaction, { ...token, publisher: name });
        return { name, keyId, token: made.token, expiresAt: made.about.expiresAt };
      });
    },

    /** @throws SondeError PUBLISHER_UNKNOWN */
    async demandPublisher(name: PublisherName): Promise<void> {
      const [row] = await sql`select 1 from publishers where name = ${name}`;
      if (row !== undefined) return;
      throw new SondeError(
        "PUBLISHER_UNKNOWN",
        `expected a publisher of this registry, got ${name}`,
      );
    },

    async listPublishers(now: Date): Promise<PublisherList> {
      const publishers = await sql<(Omit<PublisherRow, "createdAt"> & { createdAt: Date })[]>`
        select name, created_at as "createdAt",
          array(select key_id from publisher_keys
            where publisher = name order by key_id) as "keyIds",
          (select count(*)::integer from publisher_tokens where publisher = name
            and revoked_at is null and expires_at > ${now}) as "liveTokens"
        from publishers order by name`;
      return {
        publishers: publishers.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() })),
      };
    },

    /**
     * From when it resolves nothing is published under that key. What was
     * published stays: who trusts the key says so in their own policy.
     *
     * @throws SondeError NOT_FOUND unless the publisher has that key
     */
    async removeKey(publisher: PublisherName, keyId: Digest): Promise<void> {
      const removed = await sql`delete from publisher_keys
        where publisher = ${publisher} and key_id = ${keyId}`;
      if (removed.count > 0) return;
      throw new SondeError("NOT_FOUND", `expected a key of ${publisher}, got ${keyId}`);
    },

    /** Public keys in PEM. */
    async publisherKeys(publisher: PublisherName): Promise<string[]> {
      const rows = await sql<{ publicKey: string }[]>`
        select public_key as "publicKey" from publisher_keys where publisher = ${publisher}`;
      return rows.map(({ publicKey }) => publicKey);
    },
  };
}
export type PublisherStore = ReturnType<typeof createPublisherStore>;
