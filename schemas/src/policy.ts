import { type Static, type TSchema, Type } from "typebox";
import { AgentName, Capability, PackName, ProbeId, Timestamp } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { AgentSelector } from "./tags.ts";

// Who may do what, for people, keys and OAuth grants. Paths, all below /api/v1:
//   GET    /policies                             -> PolicyList
//   GET    /policies/:policy                     -> NamedPolicy
//   PUT    /policies/:policy                        SetPolicy -> NamedPolicy
//   DELETE /policies/:policy                     -> PolicyList
//   PUT    /policy-holders/:holder                  HoldPolicy -> PolicyHolder
//   DELETE /policy-holders/:holder               -> PolicyList
//   POST   /policy/test                             TestPolicy -> PolicyTest

const closed = { additionalProperties: false } as const;

/**
 * What people are on a hub, from the most rights to the fewest. `client` is what a key or an OAuth
 * client is that only calls, `metrics` a key that only reads numbers. The rights of each are in
 * `hub/src/identity/core/authorize.ts`.
 */
export const Role = Type.Enum([
  "owner",
  "admin",
  "operator",
  "auditor",
  "member",
  "client",
  "metrics",
]);
export type Role = Static<typeof Role>;

/**
 * Chooses probes by their ids, whole and in lower case. `*` stands for any characters of one part
 * between dots, also none. `**` is the last part only, and stands for one part or more. What has no
 * publisher, such as `docker.**`, chooses probes of official packs only; others are `acme/web.**`.
 */
export const ToolGlob = Type.String({
  pattern:
    "^((\\*|\\*?[a-z0-9-](\\*?[a-z0-9-])*\\*?)/)?(\\*|\\*?[a-z0-9-](\\*?[a-z0-9-])*\\*?)" +
    "(\\.(\\*|\\*?[a-z0-9-](\\*?[a-z0-9-])*\\*?)){0,4}(\\.\\*\\*|\\.(\\*|\\*?[a-z0-9-](\\*?[a-z0-9-])*\\*?))$",
  maxLength: 160,
  description: "a probe's id, with * for a part and ** for the parts at its end",
});
export type ToolGlob = Static<typeof ToolGlob>;

const MAX_RULES = 200;
/** `*` means all, as no list does. What `deny` names is refused, whatever `allow` names. */
const rules = <S extends TSchema>(of: S) =>
  Type.Object(
    {
      allow: Type.Optional(
        Type.Union([Type.Literal("*"), Type.Array(of, { maxItems: MAX_RULES })]),
      ),
      deny: Type.Optional(Type.Array(of, { maxItems: MAX_RULES })),
    },
    closed,
  );

/** Calls per minute, each probe on each agent as one. After a pause, `burst` may come at once. */
export const Rate = Type.Object(
  {
    perMinute: Type.Integer({ minimum: 1, maximum: 60_000 }),
    burst: Type.Integer({ minimum: 1, maximum: 60_000 }),
  },
  closed,
);
export type Rate = Static<typeof Rate>;

/**
 * Narrows what its holder may do. A member that is left out narrows nothing; but without
 * `capability` members and clients may observe only.
 */
export const Policy = Type.Object(
  {
    /** Exact names, and tags such as `role=web`. */
    agents: Type.Optional(rules(AgentSelector)),
    tools: Type.Optional(rules(ToolGlob)),
    packs: Type.Optional(rules(PackName)),
    /** The highest that may be called. */
    capability: Type.Optional(Capability),
    rate: Type.Optional(Rate),
    /** Addresses and networks, such as `192.0.2.7` and `2001:db8::/32`, from which it may come. */
    addresses: Type.Optional(
      Type.Array(Type.String({ maxLength: 50 }), { minItems: 1, maxItems: MAX_RULES }),
    ),
    /** From this time on, nothing is allowed. */
    expiresAt: Type.Optional(Timestamp),
  },
  closed,
);
export type Policy = Static<typeof Policy>;
export const parsePolicy = buildParser(Policy, "policy", "BAD_REQUEST");

export const PolicyName = Type.String({ pattern: "^[a-z][a-z0-9-]{0,38}$" });
export type PolicyName = Static<typeof PolicyName>;

/** A policy that has a name on the hub, or one of the holder's own. */
export const PolicyRef = Type.Union([Type.Object({ name: PolicyName }, closed), Policy]);
export type PolicyRef = Static<typeof PolicyRef>;

/** A subject's id, as records have it. */
export const PolicyHolderId = Type.String({
  pattern: "^(key|person|grant):[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
});
export type PolicyHolderId = Static<typeof PolicyHolderId>;

export const PolicyHolder = Type.Object({ holder: PolicyHolderId, policy: PolicyRef }, closed);
export type PolicyHolder = Static<typeof PolicyHolder>;

export const NamedPolicy = Type.Object(
  {
    name: PolicyName,
    policy: Policy,
    setBy: Type.String({ maxLength: 200 }),
    setAt: Timestamp,
  },
  closed,
);
export type NamedPolicy = Static<typeof NamedPolicy>;

export const PolicyList = Type.Object(
  { policies: Type.Array(NamedPolicy), holders: Type.Array(PolicyHolder) },
  closed,
);
export type PolicyList = Static<typeof PolicyList>;

export const SetPolicy = Type.Object({ policy: Policy }, closed);
export const HoldPolicy = Type.Object({ policy: PolicyRef }, closed);

/** Asks whether a subject may call a probe on an agent. Nothing is called, and no rate is used. */
export const TestPolicy = Type.Object(
  {
    subject: PolicyHolderId,
    probe: ProbeId,
    agent: AgentName,
    /** From where. Without it, a policy that names addresses refuses. */
    address: Type.Optional(Type.String({ maxLength: 50 })),
  },
  closed,
);
export type TestPolicy = Static<typeof TestPolicy>;

/** Where a rule stands. */
export const PolicyRule = Type.Object(
  {
    /** The name of the policy; `own` for one without, and `role NAME` for what a role may do. */
    policy: Type.String(),
    /** Such as `tools.deny[1] docker.**`. */
    line: Type.String(),
  },
  closed,
);
export type PolicyRule = Static<typeof PolicyRule>;

export const PolicyTest = Type.Object(
  {
    allowed: Type.Boolean(),
    /** The error that the call would get; null when it is allowed. */
    code: Type.Union([Type.String(), Type.Null()]),
    reason: Type.Union([Type.String(), Type.Null()]),
    /** The one that refuses; or each that was looked at and allows. */
    rules: Type.Array(PolicyRule),
  },
  closed,
);
export type PolicyTest = Static<typeof PolicyTest>;

export const parsePolicyRef = buildParser(PolicyRef, "policy", "BAD_REQUEST");
export const parsePolicyList = buildParser(PolicyList, "hub answer", "INTERNAL");
export const parseNamedPolicy = buildParser(NamedPolicy, "hub answer", "INTERNAL");
export const parsePolicyHolder = buildParser(PolicyHolder, "hub answer", "INTERNAL");
export const parsePolicyTest = buildParser(PolicyTest, "hub answer", "INTERNAL");
