import { type Static, Type } from "typebox";
import { Timestamp, Uuid } from "./names.ts";
import { AgentSelector } from "./tags.ts";

// REST bodies of OAuth. Paths, all below /api/v1; `me` is whoever is signed in:
//   GET    /oauth/grants          -> GrantList
//   DELETE /oauth/grants/:id      -> GrantList
//   GET    /oauth/clients         -> ClientList
//   DELETE /oauth/clients/:id     -> ClientList
//   GET    /oauth/refused-clients     -> RefusedClientList
//   DELETE /oauth/refused-clients/:id -> RefusedClientList
//   GET    /me/grants             -> GrantList
//   DELETE /me/grants/:id         -> GrantList

const closed = { additionalProperties: false } as const;
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

/** Why a grant ended. */
export const GrantEnd = Type.Enum([
  "revoked-by-person",
  "revoked-by-admin",
  "revoked-by-client",
  // A code or a refresh token was used twice: two hold it.
  "token-reused",
  "person-gone",
  "client-removed",
  "too-many",
]);
export type GrantEnd = Static<typeof GrantEnd>;

/** What a person let a client do. Its tokens end with it. */
export const OAuthGrantSummary = Type.Object(
  {
    id: Uuid,
    person: Type.Object({ id: Uuid, name: Type.String() }, closed),
    client: Type.Object(
      {
        id: Type.String(),
        /** As the client says, unverified. */
        name: Type.String(),
        /** Where its codes go: what is known of it. */
        host: Type.String(),
      },
      closed,
    ),
    resource: Type.String(),
    scopes: Type.Array(Type.String()),
    agents: Type.Union([Type.Literal("*"), Type.Array(AgentSelector)]),
    grantedAt: Timestamp,
    /** The last use of a refresh token. */
    usedAt: orNull(Timestamp),
    /** When it ends unless it is used. */
    expiresAt: Timestamp,
    endedAt: orNull(Timestamp),
    endedBecause: orNull(GrantEnd),
  },
  closed,
);
export type OAuthGrantSummary = Static<typeof OAuthGrantSummary>;
export const OAuthGrantList = Type.Object({ grants: Type.Array(OAuthGrantSummary) }, closed);
export type OAuthGrantList = Static<typeof OAuthGrantList>;

/** A client that registered itself, or that somebody let in by its metadata document. */
export const OAuthClientSummary = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    host: Type.String(),
    /** Null for one that is known by its document. */
    registeredAt: orNull(Timestamp),
    /** Of one that registered: when a person let it in last, or it came with a token of theirs. */
    usedAt: orNull(Timestamp),
    /** Grants in force. */
    grants: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type OAuthClientSummary = Static<typeof OAuthClientSummary>;
export const OAuthClientList = Type.Object({ clients: Type.Array(OAuthClientSummary) }, closed);
export type OAuthClientList = Static<typeof OAuthClientList>;

/** A client that `oauth.clients` of the hub's configuration refused, and what would let it come. */
export const RefusedClient = Type.Object(
  {
    id: Uuid,
    /** As the client says, unverified; null when it said none. */
    name: orNull(Type.String()),
    /** The member of `oauth.clients` that would have to name `value`. */
    member: Type.Enum(["redirects", "documentHosts", "loopback"]),
    /** The address to which its codes would go, or the host of its document. */
    value: Type.String(),
    /** The whole member with what it names now and with `value`, as hub.json has it. */
    line: Type.String(),
    /** The address that asked; null where a browser brought the client's id. */
    from: orNull(Type.String()),
    refusedAt: Timestamp,
    /** How often, at most once a minute. */
    times: Type.Integer({ minimum: 1 }),
  },
  closed,
);
export type RefusedClient = Static<typeof RefusedClient>;
export const RefusedClientList = Type.Object({ refused: Type.Array(RefusedClient) }, closed);
export type RefusedClientList = Static<typeof RefusedClientList>;
