import { type Static, Type } from "typebox";
import { Timestamp, Uuid } from "./names.ts";
import { AgentSelector } from "./tags.ts";

// REST bodies of OAuth. Paths, all below /api/v1; `me` is whoever is signed in:
//   GET    /oauth/grants          -> GrantList
//   DELETE /oauth/grants/:id      -> GrantList
//   GET    /oauth/clients         -> ClientList
//   DELETE /oauth/clients/:id     -> ClientList
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
    /** Grants in force. */
    grants: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type OAuthClientSummary = Static<typeof OAuthClientSummary>;
export const OAuthClientList = Type.Object({ clients: Type.Array(OAuthClientSummary) }, closed);
export type OAuthClientList = Static<typeof OAuthClientList>;
