import { type Static, Type } from "typebox";
import { Digest, PackName, PublisherName, Timestamp, Uuid } from "../names.ts";
import { TrustedIdentity } from "../trust/trust-policy.ts";
import { buildParser } from "../parse/validator.ts";

// Who may publish in a registry, and the tokens that prove it. Paths are below /api/v1. Both a
// publisher's token over HTTP and the operator on the unix socket may use these:
//   GET    /publishers/:publisher/tokens                  -> PublishTokenList
//   POST   /publishers/:publisher/tokens                  CreatePublishToken -> CreatedPublishToken
//   DELETE /publishers/:publisher/tokens/:id              -> PublishToken
// Only the operator may use these:
//   GET    /publishers                                    -> PublisherList
//   DELETE /publishers/:publisher/keys/:keyId             -> PublisherList
//   DELETE /publishers/:publisher/identities?issuer=&identity=&repositoryId= -> PublisherList

const closed = { additionalProperties: false } as const;

/** Prefix of publishers' tokens, by which secret scanners find them. */
export const PUBLISH_TOKEN_PREFIX = "sonde_pt_";

/** Lifetime of a token in days. */
export const TOKEN_DAYS = { default: 90, maximum: 365 } as const;

/** Actions in a publisher's name. */
export const PUBLISH_ACTIONS = ["publish", "yank", "deprecate", "advisory", "tokens"] as const;
export const PublishAction = Type.Enum([...PUBLISH_ACTIONS]);
export type PublishAction = (typeof PUBLISH_ACTIONS)[number];

export const PublisherRole = Type.Enum(["owner", "maintainer", "ci"]);
export type PublisherRole = Static<typeof PublisherRole>;

const Label = Type.String({ pattern: "^[ -~]{1,100}$" });

export const PublishToken = Type.Object(
  {
    id: Uuid,
    publisher: PublisherName,
    role: PublisherRole,
    /** The one pack for which the token is valid; null for all packs of the publisher. */
    pack: Type.Union([PackName, Type.Null()]),
    actions: Type.Array(PublishAction),
    label: Label,
    createdAt: Timestamp,
    /** What created the token: `operator`, or the id of a token or trusted publisher. */
    createdBy: Type.String({ maxLength: 60 }),
    expiresAt: Timestamp,
    revokedAt: Type.Union([Timestamp, Type.Null()]),
  },
  closed,
);
export type PublishToken = Static<typeof PublishToken>;

export const PublishTokenList = Type.Object({ tokens: Type.Array(PublishToken) }, closed);
export type PublishTokenList = Static<typeof PublishTokenList>;

export const CreatePublishToken = Type.Object(
  {
    role: PublisherRole,
    pack: Type.Optional(PackName),
    /** Defaults to every action of its role. */
    actions: Type.Optional(Type.Array(PublishAction, { minItems: 1, maxItems: 10 })),
    days: Type.Optional(Type.Integer({ minimum: 1, maximum: TOKEN_DAYS.maximum })),
    label: Label,
  },
  closed,
);
export type CreatePublishToken = Static<typeof CreatePublishToken>;

export const CreatedPublishToken = Type.Object(
  {
    /** `sonde_pt_...`; shown only once, stored as a hash. */
    token: Type.String({ maxLength: 100 }),
    about: PublishToken,
  },
  closed,
);
export type CreatedPublishToken = Static<typeof CreatedPublishToken>;

export const PublisherList = Type.Object(
  {
    publishers: Type.Array(
      Type.Object(
        {
          name: PublisherName,
          createdAt: Timestamp,
          keyIds: Type.Array(Digest),
          /** Of keyless signatures. */
          identities: Type.Array(TrustedIdentity),
          /** How many of its tokens are valid now. */
          liveTokens: Type.Integer({ minimum: 0 }),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type PublisherList = Static<typeof PublisherList>;

export const parsePublishTokenList = buildParser(
  PublishTokenList,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parsePublishToken = buildParser(
  PublishToken,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parsePublisherList = buildParser(
  PublisherList,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
