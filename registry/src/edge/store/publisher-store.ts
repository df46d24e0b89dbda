import { SondeError } from "@sonde/schemas/errors";
import { type Digest, type PublisherName } from "@sonde/schemas/names";
import {
  type AddIdentity,
  type AddedIdentity,
  type AddedPublisher,
  type PublisherList,
} from "@sonde/schemas/registry";
import { type Signer, type TrustedIdentity } from "@sonde/schemas/trust";
import type { ISql, Sql } from "postgres";
import { isReserved, normaliseName, tooLike } from "../../core/name-rules.ts";
import type { Note, RightsLog } from "./rights-log.ts";
import { type NewToken, insertToken } from "./token-store.ts";

/** Only the operator's socket has the routes that change publishers, keys and identities. */
const OPERATOR = "operator";

export type NewPublisher = {
  name: PublisherName;
  keyId: Digest;
  publicKey: string;
  token: Omit<NewToken, "publisher">;
  /** The operator's consent to a reserved name, which is refused otherwise. */
  takesReserved: boolean;
};

export type NewIdentity = Omit<AddIdentity, "takesReserved"> &
  Pick<NewPublisher, "token" | "takesReserved">;

type PublisherRow = PublisherList["publishers"][number];

/** Stores the publishers that the operator added, with their keys and identities. */
export function createPublisherStore(sql: Sql, rights: RightsLog) {
  return {
    /**
     * Creates the publisher and the key unless they exist, and adds the token. One transaction.
     *
     * @throws SondeError NAME_REFUSED for a new name that is reserved or a look-alike
     */
    async addPublisher(added: NewPublisher): Promise<AddedPublisher> {
      const { name, keyId, publicKey, token, takesReserved } = added;
      const at = token.createdAt;
      return await rights.change(async (transaction, note) => {
        await claimPublisher(transaction, note, name, takesReserved, at);
        const key = await transaction`insert into publisher_keys
            (publisher, key_id, public_key, created_at)
          values (${name}, ${keyId}, ${publicKey}, ${at}) on conflict do nothing`;
        if (key.count > 0) note("publisher-key.added", OPERATOR, { publisher: name, keyId });
        const first = { ...token, publisher: name };
        const made = await insertToken(transaction, note, first, OPERATOR);
        return { name, keyId, token: made.token, expiresAt: made.about.expiresAt };
      });
    },

    /**
     * Creates the publisher and the identity unless they exist, and adds the token. One
     * transaction.
     *
     * @throws SondeError NAME_REFUSED for a new name that is reserved or a look-alike
     */
    async addIdentity(added: NewIdentity): Promise<AddedIdentity> {
      const { publisher, issuer, identity, repositoryId, token, takesReserved } = added;
      const at = token.createdAt;
      return await rights.change(async (transaction, note) => {
        await claimPublisher(transaction, note, publisher, takesReserved, at);
        const repository = repositoryId === undefined ? {} : { repositoryId };
        const row = await transaction`insert into publisher_identities
          (publisher, issuer, identity, repository_id, created_at)
          values (${publisher}, ${issuer}, ${identity}, ${repositoryId ?? ""}, ${at})
          on conflict do nothing`;
        if (row.count > 0) {
          const detail = { publisher, issuer, identity, ...repository };
          note("publisher-identity.added", OPERATOR, detail);
        }
        const made = await insertToken(transaction, note, { ...token, publisher }, OPERATOR);
        const { expiresAt } = made.about;
        return { publisher, issuer, identity, ...repository, token: made.token, expiresAt };
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
          array(select json_strip_nulls(json_build_object('issuer', issuer,
              'identity', identity, 'repositoryId', nullif(repository_id, '')))
            from publisher_identities
            where publisher = name order by issuer, identity, repository_id) as identities,
          (select count(*)::integer from publisher_tokens where publisher = name
            and revoked_at is null and expires_at > ${now}) as "liveTokens"
        from publishers order by name`;
      return {
        publishers: publishers.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() })),
      };
    },

    /**
     * Removes a key. Once it resolves, nothing is published under that key. Published versions
     * stay; the policies of hubs and agents decide whether to trust them.
     *
     * @throws SondeError NOT_FOUND unless the publisher has that key
     */
    removeKey: (publisher: PublisherName, keyId: Digest): Promise<void> =>
      rights.change(async (tx, note) => {
        const removed = await tx`delete from publisher_keys
          where publisher = ${publisher} and key_id = ${keyId}`;
        if (removed.count === 0) {
          throw new SondeError("NOT_FOUND", `expected a key of ${publisher}, got ${keyId}`);
        }
        note("publisher-key.removed", OPERATOR, { publisher, keyId });
      }),

    /**
     * Removes an identity, as `removeKey` removes a key. One with a repository is another than the
     * same without.
     *
     * @throws SondeError NOT_FOUND unless the publisher has that identity
     */
    removeIdentity: (publisher: PublisherName, removed: TrustedIdentity): Promise<void> =>
      rights.change(async (tx, note) => {
        const { issuer, identity, repositoryId = "" } = removed;
        const row = await tx`delete from publisher_identities where publisher = ${publisher}
          and issuer = ${issuer} and identity = ${identity} and repository_id = ${repositoryId}`;
        if (row.count === 0) {
          const where = repositoryId === "" ? "no repository" : `repository ${repositoryId}`;
          throw new SondeError(
            "NOT_FOUND",
            `expected an identity of ${publisher}, got ${identity} of ${issuer} with ${where}`,
          );
        }
        note("publisher-identity.removed", OPERATOR, { publisher, ...removed });
      }),

    /** Public keys in PEM. */
    async publisherKeys(publisher: PublisherName): Promise<string[]> {
      const rows = await sql<{ publicKey: string }[]>`
        select public_key as "publicKey" from publisher_keys where publisher = ${publisher}`;
      return rows.map(({ publicKey }) => publicKey);
    },

    /** PEM of a key that may sign for the publisher now; null when it has no such key. */
    async findKey(publisher: PublisherName, keyId: Digest): Promise<string | null> {
      const [row] = await sql<{ publicKey: string }[]>`
        select public_key as "publicKey" from publisher_keys
        where publisher = ${publisher} and key_id = ${keyId}`;
      return row?.publicKey ?? null;
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

/**
 * Demands, inside the transaction that publishes, that the signer's key or identity is still its
 * publisher's. It was when the check began. The row's lock lets a removal resolve only after a
 * publish that it does not stop.
 *
 * @throws SondeError SIGNER_UNTRUSTED
 */
export async function demandListed(tx: ISql, signer: Signer): Promise<void> {
  const { publisher } = signer;
  switch (signer.kind) {
    case "rsa-sha256": {
      const { keyId } = signer;
      const listed = await tx`select 1 from publisher_keys
        where publisher = ${publisher} and key_id = ${keyId} for share`;
      if (listed.length > 0) return;
      throw new SondeError("SIGNER_UNTRUSTED", `expected a key of ${publisher}, got ${keyId}`);
    }
    case "keyless": {
      const { issuer, identity, repositoryId } = signer;
      const listed = await tx`select 1 from publisher_identities
        where publisher = ${publisher} and issuer = ${issuer} and identity = ${identity}
          and repository_id = ${repositoryId ?? ""} for share`;
      if (listed.length > 0) return;
      throw new SondeError(
        "SIGNER_UNTRUSTED",
        `expected an identity of ${publisher}, got ${identity} of ${issuer}`,
      );
    }
    case "none":
      throw new SondeError("SIGNER_UNTRUSTED", `expected a signer of ${publisher}, got none`);
  }
}

/** Claims a name. The unique index decides a race between two look-alikes. */
async function claimPublisher(
  transaction: ISql,
  note: Note,
  name: PublisherName,
  takesReserved: boolean,
  at: Date,
): Promise<void> {
  const [known] = await transaction`select 1 from publishers where name = ${name}`;
  if (known !== undefined) return;
  if (isReserved(name) && !takesReserved) {
    throw new SondeError("NAME_REFUSED", `expected a name that is not reserved, got ${name}`);
  }
  const normal = normaliseName(name);
  await transaction`insert into publishers (name, normal_name, created_at)
    values (${name}, ${normal}, ${at}) on conflict do nothing`;
  const [holder] = await transaction<{ name: PublisherName }[]>`
    select name from publishers where normal_name = ${normal}`;
  if (holder?.name !== name) throw tooLike(name, holder?.name ?? "another");
  note("publisher.added", OPERATOR, { publisher: name });
}
export type PublisherStore = ReturnType<typeof createPublisherStore>;
