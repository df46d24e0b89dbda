import { createHash } from "node:crypto";
import type { AddIdentity, Digest, PublisherName, TrustedIdentity } from "@sonde/schemas";
import type { Sql } from "postgres";

/** Tokens are stored as hashes only, so a stolen database publishes nothing (attack 16). */
export function hashToken(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

export type NewPublisher = {
  name: PublisherName;
  keyId: Digest;
  publicKey: string;
  token: string;
  at: Date;
};

export type NewIdentity = AddIdentity & { token: string; at: Date };

/** Publishers with their keys, identities and tokens, as the operator added them. */
export function createPublisherStore(sql: Sql) {
  return {
    /** One transaction: creates the publisher when new, adds the key when new, adds the token. */
    async addPublisher({ name, keyId, publicKey, token, at }: NewPublisher): Promise<void> {
      await sql.begin(async (transaction) => {
        await transaction`insert into publishers (name, created_at) values (${name}, ${at})
          on conflict do nothing`;
        await transaction`insert into publisher_keys (publisher, key_id, public_key, created_at)
          values (${name}, ${keyId}, ${publicKey}, ${at}) on conflict do nothing`;
        await transaction`insert into publisher_tokens (token_sha256, publisher, created_at)
          values (${hashToken(token)}, ${name}, ${at})`;
      });
    },

    /** One transaction: creates the publisher when new, adds the identity when new, adds the token. */
    async addIdentity(added: NewIdentity): Promise<void> {
      const { publisher, issuer, identity, repositoryId, token, at } = added;
      await sql.begin(async (transaction) => {
        await transaction`insert into publishers (name, created_at) values (${publisher}, ${at})
          on conflict do nothing`;
        await transaction`insert into publisher_identities
          (publisher, issuer, identity, repository_id, created_at)
          values (${publisher}, ${issuer}, ${identity}, ${repositoryId ?? ""}, ${at})
          on conflict do nothing`;
        await transaction`insert into publisher_tokens (token_sha256, publisher, created_at)
          values (${hashToken(token)}, ${publisher}, ${at})`;
      });
    },

    /** The publisher whose token it is. Looked up by hash: no secret is compared byte by byte. */
    async findPublisher(token: string): Promise<PublisherName | null> {
      const [row] = await sql<{ publisher: PublisherName }[]>`
        select publisher from publisher_tokens where token_sha256 = ${hashToken(token)}`;
      return row?.publisher ?? null;
    },

    /** Public keys in PEM. */
    async publisherKeys(publisher: PublisherName): Promise<string[]> {
      const rows = await sql<{ publicKey: string }[]>`
        select public_key as "publicKey" from publisher_keys where publisher = ${publisher}`;
      return rows.map(({ publicKey }) => publicKey);
    },

    async publisherIdentities(publisher: PublisherName): Promise<TrustedIdentity[]> {
      const rows = await sql<{ issuer: string; identity: string; repositoryId: string }[]>`
        select issuer, identity, repository_id as "repositoryId"
        from publisher_identities where publisher = ${publisher}`;
      return rows.map(({ issuer, identity, repositoryId }) => ({
        issuer,
        identity,
        ...(repositoryId !== "" && { repositoryId }),
      }));
    },
  };
}
export type PublisherStore = ReturnType<typeof createPublisherStore>;
