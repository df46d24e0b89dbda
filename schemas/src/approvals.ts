import { type Static, Type } from "typebox";
import { AgentHold, Difference } from "./hub-api.ts";
import { AgentName, Capability, Digest, PackName, ProbeId, Timestamp, Version } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { StatedFailure } from "./reads.ts";
import { Signer } from "./trust/signer.ts";
import { Item } from "./wire/hub-grants.ts";

// What a person decides at a hub. Bodies of these routes, beneath /api/v1 as in hub-api.ts:
//
//   GET  /agents/:agent/packs/:publisher/:pack/approval             what there is to decide
//   POST /agents/:agent/packs/:publisher/:pack/approve              grants what the host lets the hub grant
//   POST /agents/:agent/packs/:publisher/:pack/revoke-approval      takes the hub's approval back
//   GET  /inbox                                                     what waits for a person
//
// The rights are `inbox.read` and `packs.approve`. An approval is for exactly what was shown: it names
// `shownSha256` of the request that the person saw, and is refused as APPROVAL_STALE when archive,
// items, windows, the host's rule or an earlier approval changed since. When the host lets the hub
// grant none of it, the refusal is HOST_DECIDES, and `hostCommand` is what is typed on the host.

const closed = { additionalProperties: false } as const;

/** One thing that a pack asks for. */
export const ApprovalItem = Type.Object(
  {
    /** The name by which it is approved: `file /proc/meminfo`, `group docker`. */
    item: Item,
    /** In words: `Reads a file`. */
    words: Type.String(),
    /** The exact reads behind it, as `sonde-agent explain` prints them. */
    reads: Type.Array(Type.String()),
    /**
     * `granted` on the host; `withheld`: asked for before and not granted; `asked`: waits for a person.
     */
    state: Type.Enum(["granted", "withheld", "asked"]),
    /** Whose approval grants it; null when nobody's does. */
    by: Type.Union([Type.Literal("host"), Type.Literal("hub"), Type.Null()]),
    /** Whether an approval at the hub can grant it: the host lets the hub, and did not itself. */
    hubMayGrant: Type.Boolean(),
  },
  closed,
);
export type ApprovalItem = Static<typeof ApprovalItem>;

/** An approval that was given at the hub. */
export const HubApproval = Type.Object(
  {
    /** `key:<id>`, `person:<id>` or `grant:<id>`, and the name that the hub has for it. */
    by: Type.String(),
    byName: Type.String(),
    at: Timestamp,
    items: Type.Array(Item),
    /** When the agent took it over; null while it waits for the agent. */
    takenAt: Type.Union([Timestamp, Type.Null()]),
    /** When it ends unless the agent takes it over; null once it did. */
    expiresAt: Type.Union([Timestamp, Type.Null()]),
  },
  closed,
);
export type HubApproval = Static<typeof HubApproval>;

/** All that a person sees before they approve one version of a pack on one agent. */
export const ApprovalRequest = Type.Object(
  {
    agent: AgentName,
    online: Type.Boolean(),
    pack: PackName,
    version: Version,
    digest: Digest,
    signer: Signer,
    /** As the agent reports it: `pending`, `held`, `active`. */
    state: Type.String(),
    reason: Type.Union([StatedFailure, Type.Null()]),
    items: Type.Array(ApprovalItem),
    /** How much is read of each: `the last 4096 bytes of file /proc/meminfo`. */
    windows: Type.Array(Type.String()),
    probes: Type.Array(
      Type.Object(
        {
          probe: ProbeId,
          description: Type.String(),
          capability: Capability,
          reads: Type.Array(Type.String()),
          /** Items that it reads and that only the host can grant, or nobody has granted. */
          lacks: Type.Array(Item),
        },
        closed,
      ),
    ),
    /** Beside the version that serves; null when none does. */
    difference: Type.Union([
      Type.Object(
        {
          from: Version,
          /** Whether a grant for the version that serves does not cover this one. */
          asksMore: Type.Boolean(),
          added: Type.Array(Item),
          removed: Type.Array(Item),
          /** What is read in another or a larger part than before. */
          wider: Type.Array(Type.String()),
          probes: Type.Object(
            {
              added: Type.Array(Type.String()),
              removed: Type.Array(Type.String()),
              changed: Type.Array(Type.String()),
              raised: Type.Array(Type.String()),
            },
            closed,
          ),
        },
        closed,
      ),
      Type.Null(),
    ]),
    /** The hub's own approval of this version; null when there is none. */
    approval: Type.Union([HubApproval, Type.Null()]),
    /** True after `sonde-agent revoke` on the host: the hub grants nothing of this pack there. */
    refusedOnHost: Type.Boolean(),
    /** What is typed on the host for all that the hub cannot grant; null when there is no such item. */
    hostCommand: Type.Union([Type.String(), Type.Null()]),
    /** Hash of what was shown: agent, archive, items, their states, windows, and earlier approvals. */
    shownSha256: Digest,
  },
  closed,
);
export type ApprovalRequest = Static<typeof ApprovalRequest>;

/** An `ApprovalRequest` in a list: what each probe reads is in the whole one. */
export const ListedRequest = Type.Omit(ApprovalRequest, ["probes"], closed);
export type ListedRequest = Static<typeof ListedRequest>;

/** Approves exactly what was shown. Without `items` it is every item that the host lets the hub grant. */
export const ApprovePack = Type.Object(
  {
    shownSha256: Digest,
    items: Type.Optional(Type.Array(Item, { minItems: 1, maxItems: 1000 })),
  },
  closed,
);
export type ApprovePack = Static<typeof ApprovePack>;

/** What became of an approval, item by item. */
export const ApprovalOutcome = Type.Object(
  {
    /**
     * `granted`: the agent took it over. `waits`: the agent has not answered yet, or is offline; it is
     * given until `request.approval.expiresAt`. `held`: not granted by this.
     */
    items: Type.Array(
      Type.Object(
        {
          item: Item,
          outcome: Type.Enum(["granted", "waits", "held"]),
          /** Why it is held; null otherwise. */
          why: Type.Union([Type.String(), Type.Null()]),
        },
        closed,
      ),
    ),
    /** As it is now. `hostCommand` is the next step for what is held. */
    request: ApprovalRequest,
  },
  closed,
);
export type ApprovalOutcome = Static<typeof ApprovalOutcome>;

/** The request that resolves an entry: a method, a path beneath /api/v1, and its body. */
const Act = Type.Object(
  {
    method: Type.Literal("POST"),
    path: Type.String(),
    body: Type.Record(Type.String(), Type.Unknown()),
  },
  closed,
);

/** The words of a tool as a model reads them. */
const Words = Type.Object(
  {
    title: Type.String(),
    description: Type.String(),
    params: Type.Unknown(),
    result: Type.Unknown(),
  },
  closed,
);

/** One thing that waits for a person. `id` is the same while it waits. */
export const InboxEntry = Type.Union([
  /** A pack asks for grants: a new one, or an upgrade that asks for more. */
  Type.Object(
    {
      id: Type.String(),
      kind: Type.Literal("approval"),
      request: ListedRequest,
      /** Null when the host lets the hub grant nothing of it: then `request.hostCommand`. */
      act: Type.Union([Act, Type.Null()]),
    },
    closed,
  ),
  /** A pack says other words about a tool than those that were approved. */
  Type.Object(
    {
      id: Type.String(),
      kind: Type.Literal("tool"),
      probe: Type.String(),
      pack: PackName,
      version: Version,
      packDigest: Digest,
      /** The agents that should have this archive. */
      agents: Type.Array(AgentName),
      /** Null when the approved words are of an archive that this hub has no more. */
      approved: Type.Union([Words, Type.Null()]),
      stated: Words,
      act: Act,
    },
    closed,
  ),
  /** An agent states something else than was approved. */
  Type.Object(
    {
      id: Type.String(),
      kind: Type.Literal("drift"),
      agent: AgentName,
      attestedAt: Timestamp,
      differences: Type.Array(Difference),
      act: Act,
    },
    closed,
  ),
  /** Nobody approved the first statement of an agent. */
  Type.Object(
    {
      id: Type.String(),
      kind: Type.Literal("first-attestation"),
      agent: AgentName,
      attestedAt: Timestamp,
      act: Act,
    },
    closed,
  ),
  /** No probe of an agent runs until a person releases it. */
  Type.Object(
    {
      id: Type.String(),
      kind: Type.Literal("hold"),
      agent: AgentName,
      hold: AgentHold,
      act: Act,
    },
    closed,
  ),
]);
export type InboxEntry = Static<typeof InboxEntry>;

/** What waits for a person among the agents that the caller may see, in a stable order. */
export const Inbox = Type.Object(
  {
    entries: Type.Array(InboxEntry),
    /** How many more there are than are listed. */
    more: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type Inbox = Static<typeof Inbox>;

export const parseApprovalRequest = buildParser(ApprovalRequest, "hub answer", "INTERNAL");
export const parseApprovalOutcome = buildParser(ApprovalOutcome, "hub answer", "INTERNAL");
export const parseInbox = buildParser(Inbox, "hub answer", "INTERNAL");
