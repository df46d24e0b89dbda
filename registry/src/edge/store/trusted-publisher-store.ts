import { randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type PackName, type PublisherName } from "@sonde/schemas/names";
import {
  type CreatedPublishToken,
  type JobIdentity,
  type TrustedPublisher,
} from "@sonde/schemas/registry";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { Sql } from "postgres";
import type { Principal } from "../../core/authorize.ts";
import { endToken } from "./end-token.ts";
import type { RightsLog } from "./rights-log.ts";
import { actorOf, demandInForce, insertToken, type NewToken } from "./token-store.ts";

type NewTrustedPublisher = Omit<TrustedPublisher, "id" | "createdAt" | "boundAt"> & {
  createdAt: Date;
};

/** One use of an identity token. */
export type IdentityUse = {
  publisher: PublisherName;
  pack: PackName;
  issuer: string;
  identity: JobIdentity;
  jti: string;
  deadAt: Date;
  at: Date;
  expiresAt: Date;
};

type Row = Omit<TrustedPublisher, "identity" | "createdAt" | "boundAt"> & {
  identity: string;
  createdAt: Date;
  boundAt: Date | null;
};

/** Stores trusted publishers. One is pending until its first use, and then bound. */
export function createTrustedPublisherStore(sql: Sql, rights: RightsLog) {
  const columns = sql`id, publisher, pack, issuer, identity, created_by as "createdBy",
    created_at as "createdAt", bound_at as "boundAt"`;
  return {
    /**
     * Adds a trusted publisher. Idempotent.
     *
     * @throws SondeError UNAUTHENTICATED when the maker ended meanwhile
     */
    addTrusted: (made: NewTrustedPublisher, maker: Principal): Promise<TrustedPublisher> =>
      rights.change(async (tx, note) => {
        await demandInForce(tx, maker, made.createdAt);
        const { publisher, pack, issuer } = made;
        const identity = canonicalJson(made.identity);
        const id = randomUUID();
        const added = await tx`insert into trusted_publishers
            (id, publisher, pack, issuer, identity, created_by, created_at)
          values (${id}, ${publisher}, ${pack}, ${issuer}, ${identity}, ${made.createdBy},
            ${made.createdAt})
          on conflict do nothing`;
        if (added.count > 0) {
          note("trusted-publisher.added", actorOf(maker), {
            ...{ publisher, id, pack, issuer, identity: made.identity },
          });
        }
        const [row] = await tx<Row[]>`select ${columns} from trusted_publishers
          where publisher = ${publisher} and pack is not distinct from ${pack}
            and issuer = ${issuer} and identity = ${identity}`;
        if (row !== undefined) return readRow(row);
        throw new SondeError("INTERNAL", "expected the trusted publisher that was added, got none");
      }),

    async listTrusted(publisher: PublisherName): Promise<TrustedPublisher[]> {
      const rows = await sql<Row[]>`select ${columns} from trusted_publishers
        where publisher = ${publisher} order by created_at, id`;
      return rows.map(readRow);
    },

    /**
     * Removes a trusted publisher. Once it resolves, it gets no token, and its existing ones are
     * revoked.
     *
     * @throws SondeError NOT_FOUND unless the publisher has it, UNAUTHENTICATED when the caller's
     *   own token ended meanwhile
     */
    removeTrusted: (
      publisher: PublisherName,
      id: string,
      at: Date,
      caller: Principal,
    ): Promise<TrustedPublisher> =>
      rights.change(async (tx, note) => {
        await demandInForce(tx, caller, at);
        const [row] = await tx<Row[]>`select ${columns} from trusted_publishers
          where publisher = ${publisher} and id = ${id}`;
        if (row === undefined) {
          const sentence = `expected a trusted publisher of ${publisher}, got ${id}`;
          throw new SondeError("NOT_FOUND", sentence);
        }
        await endToken(tx, note, { id, at, by: actorOf(caller) });
        return readRow(row);
      }),

    /**
     * Exchanges an identity token for a short-lived publish token, atomically. Each identity token
     * works once.
     *
     * @throws SondeError IDENTITY_REFUSED when no trusted publisher matches, or the token was used
     *   before
     */
    exchange: (use: IdentityUse): Promise<CreatedPublishToken> =>
      rights.change(async (transaction, note) => {
        const { publisher, pack, issuer, at } = use;
        const [trusted] = await transaction<{ id: string }[]>`select id from trusted_publishers
          where publisher = ${publisher} and (pack is null or pack = ${pack})
            and issuer = ${issuer} and identity = ${canonicalJson(use.identity)}
          order by pack nulls last limit 1`;
        if (trusted === undefined) throw refusal(`a trusted publisher of ${pack}`, use);
        await transaction`delete from used_identity_tokens where expires_at < ${at}`;
        const spent = await transaction`insert into used_identity_tokens (issuer, jti, expires_at)
          values (${issuer}, ${use.jti}, ${use.deadAt}) on conflict do nothing`;
        if (spent.count === 0) throw refusal("a token that was not used before", use);
        await transaction`update trusted_publishers set bound_at = coalesce(bound_at, ${at})
          where id = ${trusted.id}`;
        const made: NewToken = {
          publisher,
          role: "ci",
          pack,
          actions: ["publish"],
          label: "trusted publishing",
          createdBy: trusted.id,
          createdAt: at,
          expiresAt: use.expiresAt,
        };
        return await insertToken(transaction, note, made, `trusted-publisher:${trusted.id}`);
      }),
  };
}
export type TrustedPublisherStore = ReturnType<typeof createTrustedPublisherStore>;

/** The message repeats only what the caller sent. */
function refusal(expected: string, { issuer, identity }: IdentityUse): SondeError {
  return new SondeError(
    "IDENTITY_REFUSED",
    `expected ${expected}, got ${canonicalJson(identity)} of ${issuer}`,
  );
}

function readRow(row: Row): TrustedPublisher {
  return {
    ...row,
    identity: JSON.parse(row.identity) as JobIdentity,
    createdAt: row.createdAt.toISOString(),
    boundAt: row.boundAt?.toISOString() ?? null,
  };
}
