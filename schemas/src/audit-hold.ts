import { type Static, Type } from "typebox";
import { AuditFilters } from "./audit-search.ts";
import { Timestamp, Uuid } from "./names.ts";
import { buildParser } from "./parse/validator.ts";
import { INVISIBLE } from "./plain-text.ts";

const closed = { additionalProperties: false } as const;

/** A hub has no more holds at a time. */
export const MAX_AUDIT_HOLDS = 100;

const { person, agent, since, until } = AuditFilters.properties;

/**
 * Which entries a hold keeps: those that fit all of these, and every entry without any. What a person
 * did, and every entry that names their id.
 */
export const HoldFilters = Type.Object({ person, agent, since, until }, closed);
export type HoldFilters = Static<typeof HoldFilters>;

export const CreateAuditHold = Type.Object(
  {
    /** One line that shows all that it has. */
    reason: Type.String({ minLength: 1, maxLength: 300, pattern: `^[^${INVISIBLE}]+$` }),
    filters: HoldFilters,
  },
  closed,
);
export type CreateAuditHold = Static<typeof CreateAuditHold>;

/** A legal hold: the audit log keeps each segment that has an entry of it. */
export const AuditHold = Type.Object(
  {
    id: Uuid,
    ...CreateAuditHold.properties,
    at: Timestamp,
    /** Who made it, such as `person:<id>`. */
    by: Type.String({ maxLength: 200 }),
  },
  closed,
);
export type AuditHold = Static<typeof AuditHold>;
export const parseAuditHold = buildParser(AuditHold, "hub answer", "INTERNAL");

export const AuditHoldList = Type.Object(
  { holds: Type.Array(AuditHold, { maxItems: MAX_AUDIT_HOLDS }) },
  closed,
);
export type AuditHoldList = Static<typeof AuditHoldList>;
export const parseAuditHoldList = buildParser(AuditHoldList, "hub answer", "INTERNAL");
