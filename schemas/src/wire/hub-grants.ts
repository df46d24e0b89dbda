import { type Static, Type } from "typebox";
import { Digest, PackName } from "../names.ts";
import { HubMayGrant } from "../hub-may-grant.ts";
import { buildOpenParser, buildParser } from "../parse/validator.ts";

const closed = { additionalProperties: false } as const;

/** How many archives one agent reports: two of each of its 100 packs. */
const MAX_ARCHIVES = 200;

/** What a pack asks for, by the name of the thing itself: `file /proc/meminfo`, `group docker`. */
export const Item = Type.String({ pattern: "^[a-z]+ .", maxLength: 2020 });
const Items = Type.Array(Item, { maxItems: 1000 });

/** Unix time in ms, of the hub. Of two acts at one agent the later one has the higher number. */
const Revision = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** A grant that a person gave at the hub. It counts within what the host lets the hub grant. */
export const HubGrant = Type.Object(
  {
    pack: PackName,
    /** The archive that was shown to the person. It counts for no other. */
    digest: Digest,
    items: Items,
    /** `key:<id>`, `person:<id>` or `grant:<id>`. */
    by: Type.String({ minLength: 1, maxLength: 200 }),
    /** The name that the hub has for it. The hub's word, for people. */
    byName: Type.String({ maxLength: 200 }),
    /** The revision in which it was given. */
    given: Revision,
  },
  closed,
);
export type HubGrant = Static<typeof HubGrant>;

/**
 * All grants of the hub for one agent; one that is not listed is taken back. Only with the feature
 * `hub-grants`. The agent keeps the whole message with its signature, and goes by it while it is
 * offline.
 */
export const HubGrantsBody = Type.Object(
  {
    /** Grows with every change. An agent refuses a lower one than it has seen. */
    revision: Revision,
    grants: Type.Array(HubGrant, { maxItems: MAX_ARCHIVES }),
  },
  closed,
);
export type HubGrantsBody = Static<typeof HubGrantsBody>;

/** What is granted on the host, and what of it by the hub. The agent's word after each change. */
export const ApprovalsBody = Type.Object({
  /** What the host lets the hub grant. */
  hubMayGrant: HubMayGrant,
  /** Of the hub's grants that are in force; 0 before the first. */
  revision: Revision,
  packs: Type.Array(
    Type.Object({
      pack: PackName,
      digest: Digest,
      /** Granted by root on the host, as much of it as this archive asks for. */
      byHost: Items,
      /** Granted by the hub, and nobody else. */
      byHub: Items,
      /** Withheld by people on the host. */
      withheld: Items,
      /** Revoked on the host: the hub grants nothing of this pack. */
      refused: Type.Boolean(),
    }),
    { maxItems: MAX_ARCHIVES },
  ),
});
export type ApprovalsBody = Static<typeof ApprovalsBody>;

export const parseHubGrantsBody = buildParser(
  HubGrantsBody,
  "hub grants",
  "ENVELOPE_INVALID",
  "PROTOCOL_UNSUPPORTED",
);
export const parseApprovalsBody = buildOpenParser(ApprovalsBody, "approvals", "ENVELOPE_INVALID");
