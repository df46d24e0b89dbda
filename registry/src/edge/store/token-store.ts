import { createHash, randomBytes, randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type PackName, type PublisherName } from "@sonde/schemas/names";
import {
  PUBLISH_TOKEN_PREFIX,
  type CreatedPublishToken,
  type PublishAction,
  type PublishToken,
  type PublisherRole,
} from "@sonde/schemas/registry";
import type { ISql, Sql } from "postgres";
import type { Principal } from "../../core/authorize.ts";

/** Tokens are stored as hashes only, so nobody can publish with a stolen database (attack 16). */
export function hashToken(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

export type NewToken = {
  publisher: PublisherName;
  role: PublisherRole;
  pack: PackName | null;
  actions: readonly PublishAction[];
  label: string;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
};

type TokenRow = Omit<PublishToken, "createdAt" | "expiresAt" | "revokedAt"> & {
  createdAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
};

/** How long an expired token stays in the list. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;

/**
 * Creates a token. The caller has authorized it.
 *
 * @param sql the store's own, or the transaction of the caller
 */
export async function insertToken(sql: ISql, made: NewToken): Promise<CreatedPublishToken> {
  const token = `${PUBLISH_TOKEN_PREFIX}${randomBytes(32).toString("base64url")}`;
  const { createdAt, expiresAt, ...rest } = made;
  const id = randomUUID();
  await sql`delete from publisher_tokens
    where expires_at < ${new Date(createdAt.getTime() - KEPT_MS)}`;
  await sql`insert into publisher_tokens (token_sha256, id, publisher, role, pack, actions, label,
      created_by, created_at, expires_at)
    values (${hashToken(token)}, ${id}, ${made.publisher}, ${made.role}, ${made.pack},
      ${[...made.actions]}, ${made.label}, ${made.createdBy}, ${createdAt}, ${expiresAt})`;
  const about = {
    ...rest,
    id,
    actions: [...made.actions],
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    revokedAt: null,
  };
  return { token, about };
}

/** Stores publishers' tokens: the holder of each and its rights. */
export function createTokenStore(sql: Sql) {
  const columns = sql`id, publisher, role, pack, actions, label, created_by as "createdBy",
    created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt"`;
  return {
    createToken: (made: NewToken): Promise<CreatedPublishToken> => insertToken(sql, made),

    /**
     * Returns the holder of a valid token, else null. The look-up by hash compares no secret byte
     * by byte.
     */
    async findHolder(token: string, now: Date): Promise<Principal | null> {
      const [row] = await sql<TokenRow[]>`select ${columns} from publisher_tokens
        where token_sha256 = ${hashToken(token)} and revoked_at is null and expires_at > ${now}`;
      if (row === undefined) return null;
      const { id, role, publisher, pack, actions, expiresAt } = row;
      return { id, role, publisher, pack, actions, expiresAt };
    },

    /** Lists all tokens, newest first, expired and revoked ones included. */
    async listTokens(publisher: PublisherName): Promise<PublishToken[]> {
      const rows = await sql<TokenRow[]>`select ${columns} from publisher_tokens
        where publisher = ${publisher} order by created_at desc, id`;
      return rows.map(readRow);
    },

    /**
     * Revokes a token. Once it resolves, the token is refused. Idempotent.
     *
     * @throws SondeError NOT_FOUND unless the publisher has that token
     */
    async revokeToken(publisher: PublisherName, id: string, at: Date): Promise<PublishToken> {
      const [row] = await sql<TokenRow[]>`update publisher_tokens
        set revoked_at = coalesce(revoked_at, ${at})
        where publisher = ${publisher} and id = ${id} returning ${columns}`;
      if (row !== undefined) return readRow(row);
      throw new SondeError("NOT_FOUND", `expected a token of ${publisher}, got ${id}`);
    },
  };
}
export type TokenStore = ReturnType<typeof createTokenStore>;

function readRow(row: TokenRow): PublishToken {
  return {
    ...row,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    revokedAt: row.revokedAt?.toISOString() ?? null,
  };
}
