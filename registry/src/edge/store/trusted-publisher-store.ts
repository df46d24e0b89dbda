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
import { insertToken } from "./token-store.ts";

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
export function createTrustedPublisherStore(sql: Sql) {
  const columns = sql`id, publisher, pack, issuer, identity, created_by as "createdBy",
    created_at as "createdAt", bound_at as "boundAt"`;
  return {
    /** Adds a trusted publisher. Idempotent. */
    async addTrusted(made: NewTrustedPublisher): Promise<TrustedPublisher> {
      const identity = canonicalJson(made.identity);
      await sql`insert into trusted_publishers (id, publisher, pack, issuer, identity, created_by,
          created_at)
        values (${randomUUID()}, ${made.publisher}, ${made.pack}, ${made.issuer}, ${identity},
          ${made.createdBy}, ${made.createdAt})
        on conflict do nothing`;
      const [row] = await sql<Row[]>`select ${columns} from trusted_publishers
        where publisher = ${made.publisher} and pack is not distinct from ${made.pack}
          and issuer = ${made.issuer} and identity = ${identity}`;
      if (row !== undefined) return readRow(row);
      throw new SondeError("INTERNAL", "expected the trusted publisher that was added, got none");
    },

    async listTrusted(publisher: PublisherName): Promise<TrustedPublisher[]> {
      const rows = await sql<Row[]>`select ${columns} from trusted_publishers
        where publisher = ${publisher} order by created_at, id`;
      return rows.map(readRow);
    },

    /**
     * Removes a trusted publisher. Once it resolves, it gets no token, and its existing ones are
     * revoked.
     *
     * @throws SondeError NOT_FOUND unless the publisher has it
     */
    async removeTrusted(publisher: PublisherName, id: string, at: Date): Promise<TrustedPublisher> {
      return await sql.begin(async (transaction) => {
        const [row] = await transaction<Row[]>`delete from trusted_publishers
          where publisher = ${publisher} and id = ${id} returning ${columns}`;
        if (row === undefined) {
          const sentence = `expected a trusted publisher of ${publisher}, got ${id}`;
          throw new SondeError("NOT_FOUND", sentence);
        }
        await transaction`update publisher_tokens set revoked_at = ${at}
          where created_by = ${id} and revoked_at is null`;
        return readRow(row);
      });
    },

    /**
     * Exchanges an identity token for a short-lived publish token, atomically. Each identity token
     * works once.
     *
     * @throws SondeError IDENTITY_REFUSED when no trusted publisher matches, or the token was used
     *   before
     */
    async exchange(use: IdentityUse): Promise<CreatedPublishToken> {
      const { publisher, pack, issuer, at } = use;
      return await sql.begin(async (transaction) => {
        // Row lock: a concurrent removal and exchange run one after the other.
        const [trusted] = await transaction<{ id: string }[]>`select id from trusted_publishers
          where publisher = ${publisher} and (pack is null or pack = ${pack})
            and issuer = ${issuer} and identity = ${canonicalJson(use.identity)}
          order by pack nulls last limit 1 for update`;
        if (trusted === undefined) throw refusal(`a trusted publisher of ${pack}`, use);
        await transaction`delete from used_identity_tokens where expires_at < ${at}`;
        const spent = await transaction`insert into used_identity_tokens (issuer, jti, expires_at)
          values (${issuer}, ${use.jti}, ${use.deadAt}) on conflict do nothing`;
        if (spent.count === 0) throw refusal("a token that was not used before", use);
        await transaction`update trusted_publishers set bound_at = coalesce(bound_at, ${at})
          where id = ${trusted.id}`;
        return await insertToken(transaction, {
          publisher,
          role: "ci",
          pack,
          actions: ["publish"],
          label: "trusted publishing",
          createdBy: trusted.id,
          createdAt: at,
          expiresAt: use.expiresAt,
        });
      });
    },
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
