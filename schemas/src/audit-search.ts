import { type Static, Type } from "typebox";
import { AuditEntry, AuditEvent, ChainEntry, DroppedPart } from "./audit.ts";
import { Cursor } from "./hub-api.ts";
import { AgentName, ProbeId, Uuid } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { PolicyHolderId } from "./policy.ts";
import { Tag } from "./tags.ts";
import { LogHead } from "./wire/envelope.ts";

const closed = { additionalProperties: false } as const;

/** A day, or a time in UTC. That it is one of the calendar is checked where it is read. */
const Moment = Type.String({
  pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,3})?)?Z)?$",
  description: "2026-03-01, 2026-03-01T12:30Z or 2026-03-01T12:30:00.000Z",
});

const filters = {
  /** A person's id: what they did themselves, by OAuth clients and by keys that they made. */
  person: Type.Optional(Uuid),
  /** The id of an OAuth client, whoever it acted for. */
  client: Type.Optional(Type.String({ pattern: "^[\\x21-\\x7e]{1,500}$" })),
  /** Exactly one subject, such as one key. */
  principal: Type.Optional(PolicyHolderId),
  agent: Type.Optional(AgentName),
  /** The agents that have this tag now. */
  tag: Type.Optional(Tag),
  probe: Type.Optional(ProbeId),
  /** A tool by its name, also one of the hub's own, and one that nobody has. */
  tool: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9_./-]{1,200}$" })),
  event: Type.Optional(AuditEvent),
  decision: Type.Optional(Type.Enum(["allow", "deny"])),
  status: Type.Optional(Type.Enum(["ok", "failure", "denied", "info"])),
  /** The call that has this id. */
  call: Type.Optional(Uuid),
  /** From this time on. */
  since: Type.Optional(Moment),
  /** Before this time. */
  until: Type.Optional(Moment),
  /** Part of the record's JSON, as it is stored; upper and lower case are the same. */
  text: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
};

/** Which entries of a hub's audit log are wanted: those that fit all of these. */
export const AuditFilters = Type.Object(filters, closed);
export type AuditFilters = Static<typeof AuditFilters>;
export const parseAuditFilters = buildParser(
  AuditFilters,
  "filters of the audit log",
  "BAD_REQUEST",
);
export const AUDIT_FILTERS = Object.keys(filters) as (keyof AuditFilters)[];

/** With `afterSeq` a page of the whole chain, which takes no filters; else a search. */
export const AuditSearchQuery = Type.Object(
  {
    ...filters,
    afterSeq: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$" })),
    order: Type.Optional(Type.Enum(["newest", "oldest"])),
    limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,4}$" })),
    cursor: Type.Optional(Cursor),
  },
  closed,
);
export type AuditSearchQuery = Static<typeof AuditSearchQuery>;

/**
 * The part of the log that was looked at, by the numbers of its first and last entry. Null when
 * nothing had to be looked at.
 */
export const SearchedRange = Type.Union([
  Type.Object({ from: Type.Integer({ minimum: 1 }), to: Type.Integer({ minimum: 1 }) }, closed),
  Type.Null(),
]);
export type SearchedRange = Static<typeof SearchedRange>;

/**
 * Entries that fit, of the part that was searched. A page looks at so many entries and no more: one
 * without entries says nothing of what `next` has yet to look at.
 */
export const AuditSearchPage = Type.Object(
  {
    entries: Type.Array(AuditEntry),
    searched: SearchedRange,
    /** The head of the whole log. */
    head: LogHead,
    /** Only where content of that part, and of the wanted time, was dropped. */
    dropped: Type.Optional(DroppedPart),
    next: Type.Optional(Cursor),
  },
  closed,
);
export type AuditSearchPage = Static<typeof AuditSearchPage>;
export const parseAuditSearchPage = buildParser(AuditSearchPage, "audit search", "INTERNAL");

/** The last line of an export. One without it was cut. */
export const AuditExportEnd = Type.Object(
  {
    complete: Type.Literal(true),
    searched: SearchedRange,
    /** The number of lines above. */
    entries: Type.Integer({ minimum: 0 }),
    filters: AuditFilters,
    /** The head of the log when the export began; without filters the last entry's. */
    head: LogHead,
    /** Only where content of that part, and of the wanted time, was dropped. */
    dropped: Type.Optional(DroppedPart),
  },
  closed,
);
export type AuditExportEnd = Static<typeof AuditExportEnd>;

/** One line of an export. Only one without filters has entries that were dropped. */
export const AuditExportLine = Type.Union([ChainEntry, AuditExportEnd]);
export type AuditExportLine = Static<typeof AuditExportLine>;
export const parseAuditExportLine = buildParser(
  AuditExportLine,
  "line of an audit export",
  "AUDIT_UNAVAILABLE",
);

/** An event of the live log, by its name. The id of each is the number of the last entry that was looked at. */
export const AuditEnded = Type.Object({ code: Type.String({ maxLength: 60 }) }, closed);
export const parseDroppedPart = buildParser(DroppedPart, "dropped part of the log", "INTERNAL");
export const parseAuditEnded = buildParser(AuditEnded, "end of the live log", "INTERNAL");
