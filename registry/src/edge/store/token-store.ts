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
import { endToken } from "./end-token.ts";
import type { Actor, Note, RightsLog } from "./rights-log.ts";

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
  /** `operator`, or the id of the token or trusted publisher that made it. */
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
 * Creates a token, and records it. The caller has authorized it.
 *
 * @param sql the transaction of a change of rights
 * @param note records that change
 * @param by who makes it, in words of the record
 */
export async function insertToken(
  sql: ISql,
  note: Note,
  made: NewToken,
  by: Actor,
): Promise<CreatedPublishToken> {
  const token = `${PUBLISH_TOKEN_PREFIX}${randomBytes(32).toString("base64url")}`;
  const { createdAt, expiresAt, ...rest } = made;
  const id = randomUUID();
  // One that made something stays: by it the revocation of its maker finds what it made.
  await sql`delete from publisher_tokens old
    where expires_at < ${new Date(createdAt.getTime() - KEPT_MS)}
      and not exists (select 1 from publisher_tokens where created_by = old.id::text)
      and not exists (select 1 from trusted_publishers where created_by = old.id::text)`;
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
  const { publisher, role, pack, actions, label } = about;
  note("token.created", by, {
    ...{ publisher, id, role, pack, actions, label, expiresAt: about.expiresAt },
  });
  return { token, about };
}

/** Stores publishers' tokens: the holder of each and its rights. */
export function createTokenStore(sql: Sql, rights: RightsLog) {
  const columns = sql`id, publisher, role, pack, actions, label, created_by as "createdBy",
    created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt"`;
  return {
    /** @throws SondeError UNAUTHENTICATED when the maker ended meanwhile */
    createToken: (made: NewToken, maker: Principal): Promise<CreatedPublishToken> =>
      rights.change(async (tx, note) => {
        await demandInForce(tx, maker, made.createdAt);
        return await insertToken(tx, note, made, actorOf(maker));
      }),

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
     * Revokes a token with all that was made with it. Once it resolves, these are refused.
     * Idempotent.
     *
     * @throws SondeError NOT_FOUND unless the publisher has that token, UNAUTHENTICATED when the
     *   caller's own token ended meanwhile
     */
    revokeToken: (
      publisher: PublisherName,
      id: string,
      at: Date,
      caller: Principal,
    ): Promise<PublishToken> =>
      rights.change(async (tx, note) => {
        await demandInForce(tx, caller, at);
        const known = await tx`select 1 from publisher_tokens
          where publisher = ${publisher} and id = ${id}`;
        if (known.length === 0) {
          throw new SondeError("NOT_FOUND", `expected a token of ${publisher}, got ${id}`);
        }
        await endToken(tx, note, { id, at, by: actorOf(caller) });
        const [row] = await tx<TokenRow[]>`select ${columns} from publisher_tokens
          where id = ${id}`;
        if (row === undefined) throw new Error("the token that was revoked is gone");
        return readRow(row);
      }),
  };
}
export type TokenStore = ReturnType<typeof createTokenStore>;

/** Who acts, in words of the record. */
export function actorOf(principal: Principal): Actor {
  return principal.role === "operator" ? "operator" : `token:${principal.id}`;
}

/**
 * Demands, inside the transaction of a change, that the token which makes the change is still in
 * force. It was when the request was authorized, but its body may have come long after that. The
 * row's lock lets a revocation resolve only after a change that it does not stop.
 *
 * @param at the time of the change
 * @throws SondeError UNAUTHENTICATED
 */
export async function demandInForce(tx: ISql, principal: Principal, at: Date): Promise<void> {
  if (principal.role === "operator") return;
  const inForce = await tx`select 1 from publisher_tokens
    where id = ${principal.id} and revoked_at is null and expires_at > ${at} for share`;
  if (inForce.length > 0) return;
  throw new SondeError("UNAUTHENTICATED", "expected a token in force, got one that has ended");
}

function readRow(row: TokenRow): PublishToken {
  return {
    ...row,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    revokedAt: row.revokedAt?.toISOString() ?? null,
  };
}
