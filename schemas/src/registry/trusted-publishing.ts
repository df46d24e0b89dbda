import { type Static, Type } from "typebox";
import { PackName, PublisherName, Timestamp, Uuid } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

// Publishing without a stored secret: a job of a known CI exchanges its identity token (OIDC) for a
// short-lived token for one pack. Paths, below /api/v1:
//   POST   /trusted-publishing/token                          ExchangeIdentity -> ExchangedToken
//   GET    /publishers/:publisher/trusted-publishers          -> TrustedPublisherList
//   POST   /publishers/:publisher/trusted-publishers          CreateTrustedPublisher -> TrustedPublisher
//   DELETE /publishers/:publisher/trusted-publishers/:id      -> TrustedPublisher

const closed = { additionalProperties: false } as const;

/** A claim's value. An issuer may write anything; it is compared for equality. */
const Claim = Type.String({ minLength: 1, maxLength: 500 });
const NumericId = Type.String({ pattern: "^[1-9][0-9]{0,19}$" });

/**
 * What an identity token must contain. Every member is compared for equality. The repository's or
 * project's number is included, so that a new repository under the old name does not inherit the
 * right.
 */
export const JobIdentity = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("github"),
      /** `OWNER/NAME` */
      repository: Claim,
      repositoryId: NumericId,
      /** `OWNER/NAME/.github/workflows/FILE@refs/heads/BRANCH` */
      workflowRef: Claim,
      /** null: the job has no environment. */
      environment: Type.Union([Claim, Type.Null()]),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("gitlab"),
      projectPath: Claim,
      projectId: NumericId,
      /** Checked with the ref's name, so that a tag with the branch's name does not match. */
      refType: Type.Enum(["branch", "tag"]),
      ref: Claim,
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("generic"), sub: Claim }, closed),
]);
export type JobIdentity = Static<typeof JobIdentity>;
export const parseJobIdentity = buildParser(JobIdentity, "identity token", "IDENTITY_REFUSED");

export const CreateTrustedPublisher = Type.Object(
  {
    /**
     * The one pack for which it is valid, which need not exist yet. Without it, any pack of the
     * publisher.
     */
    pack: Type.Optional(PackName),
    issuer: Type.String({ maxLength: 300 }),
    identity: JobIdentity,
  },
  closed,
);
export type CreateTrustedPublisher = Static<typeof CreateTrustedPublisher>;

export const TrustedPublisher = Type.Object(
  {
    id: Uuid,
    publisher: PublisherName,
    pack: Type.Union([PackName, Type.Null()]),
    issuer: Type.String(),
    identity: JobIdentity,
    createdAt: Timestamp,
    createdBy: Type.String({ maxLength: 60 }),
    /** When it was first used; null while it is pending. */
    boundAt: Type.Union([Timestamp, Type.Null()]),
  },
  closed,
);
export type TrustedPublisher = Static<typeof TrustedPublisher>;

export const TrustedPublisherList = Type.Object(
  { trustedPublishers: Type.Array(TrustedPublisher) },
  closed,
);
export type TrustedPublisherList = Static<typeof TrustedPublisherList>;

export const ExchangeIdentity = Type.Object(
  {
    pack: PackName,
    /** The identity token (JWT), for this registry's audience. */
    identityToken: Type.String({ maxLength: 12_000, pattern: "^[A-Za-z0-9_.-]+$" }),
  },
  closed,
);
export type ExchangeIdentity = Static<typeof ExchangeIdentity>;

export const ExchangedToken = Type.Object(
  {
    /** `sonde_pt_...`, valid for publishing that pack for 15 minutes. */
    token: Type.String({ maxLength: 100 }),
    pack: PackName,
    expiresAt: Timestamp,
  },
  closed,
);
export type ExchangedToken = Static<typeof ExchangedToken>;

export const parseExchangedToken = buildParser(
  ExchangedToken,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
export const parseTrustedPublisher = buildParser(
  TrustedPublisher,
  "registry answer",
  "REGISTRY_UNAVAILABLE",
);
