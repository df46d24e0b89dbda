import {
  type AuditEntry,
  buildAuditRecord,
  type DroppedPart,
  MAX_AUDIT_PAGE,
} from "@sonde/schemas/audit";
import type { AuditFilters, SearchedRange } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import { scrubSentence } from "@sonde/scrub";
import type { Hub } from "../../hub.ts";
import { createDroppedStore } from "./dropped-store.ts";
import { type Bounds, createLogSearch, type Order } from "./log-search.ts";
import { readWanted } from "./read-wanted.ts";
import type { Subjects } from "./subjects.ts";

/** Entries of an answer, unless somebody asks for others. */
export const DEFAULT_FOUND = 100;

/** Who reads: the id of a principal, and the tool and call by which it does, if any. */
export type Reader = { principal: string; tool?: string; callId?: string };

/** Which entries are wanted: the first `limit` that fit, in that order. */
export type LogQuery = {
  filters: AuditFilters;
  order: Order;
  limit: number;
  /** The entries between which is looked, by their numbers; null for the ends of the log. */
  afterSeq: number | null;
  beforeSeq: number | null;
};

export type FoundPart = {
  entries: AuditEntry[];
  /** The part that has no others; null when there was nothing to look at. */
  searched: SearchedRange;
  /** The newest entry that was there. That of the reading itself comes later. */
  newest: number;
  /** What of that part, and of the wanted time, has no content any more; null when nothing. */
  dropped: DroppedPart | null;
  /** The entry behind which, in that order, is more to look at; null when all was searched. */
  rest: number | null;
};

/** Reads the audit log for whoever has the right to. That somebody reads is on record before. */
export type LogReader = {
  /**
   * Records a reading.
   *
   * @returns the number of the record: all that was recorded before comes before it
   * @throws SondeError AUDIT_UNAVAILABLE; then nothing may be read
   */
  record(by: Reader, detail: Record<string, unknown>): Promise<number>;
  /**
   * Records a search and does it. It looks at a few thousand entries at most, so a part without
   * entries says nothing of the rest.
   *
   * @throws SondeError BAD_REQUEST for filters or a limit that cannot be
   */
  find(by: Reader, query: LogQuery): Promise<FoundPart>;
};

export function createLogReader(
  hub: Pick<Hub, "auditLog" | "directory" | "now" | "sql">,
  subjects: Subjects,
): LogReader {
  const search = createLogSearch(hub.sql);
  const dropped = createDroppedStore(hub.sql);

  async function record(
    { principal, tool, callId }: Reader,
    detail: Record<string, unknown>,
  ): Promise<number> {
    const { seq } = await hub.auditLog.append(
      buildAuditRecord(hub.now(), "log.read", {
        ...{ principal, callId: callId ?? null },
        detail: tool === undefined ? detail : { tool, ...detail },
      }),
    );
    return seq;
  }

  return {
    record,
    async find(by, { filters, order, limit, afterSeq, beforeSeq }) {
      checkLimit(limit);
      const wanted = await readWanted(hub, subjects, filters);
      const place = {
        ...(afterSeq !== null && { afterSeq }),
        ...(beforeSeq !== null && { beforeSeq }),
      };
      const said = { search: toRecorded(filters), order, limit, ...place };
      const newest = (await record(by, said)) - 1;
      const within = {
        from: (afterSeq ?? 0) + 1,
        to: beforeSeq === null ? newest : Math.min(newest, beforeSeq - 1),
      };
      const bounds = await search.boundsOf(wanted, within);
      const found = bounds === null ? null : await search.page(wanted, bounds, order, limit);
      const searched =
        bounds === null || found === null
          ? toRange(within)
          : widen(found.searched, { within, bounds, order });
      return {
        ...{ entries: found?.entries ?? [], searched, newest },
        dropped: searched === null ? null : await dropped.find(searched, wanted),
        rest: bounds === null ? null : placeAfter(found?.searched ?? null, bounds, order),
      };
    },
  };
}

function checkLimit(limit: number): void {
  if (limit >= 1 && limit <= MAX_AUDIT_PAGE) return;
  throw new SondeError("BAD_REQUEST", `limit: expected 1 to ${MAX_AUDIT_PAGE}, got ${limit}`);
}

/** Filters as a record has them. What was looked for may itself be a secret that somebody pasted. */
export function toRecorded(filters: AuditFilters): AuditFilters {
  const { text } = filters;
  return text === undefined ? filters : { ...filters, text: scrubSentence(text, 200) };
}

function toRange(within: Bounds): SearchedRange {
  return within.from > within.to ? null : within;
}

/** The entry behind which the next page goes on; null when all was searched. */
function placeAfter(searched: SearchedRange, bounds: Bounds, order: Order): number | null {
  if (searched === null) return null;
  if (order === "newest") return searched.from > bounds.from ? searched.from : null;
  return searched.to < bounds.to ? searched.to : null;
}

/** Where the times say that nothing can be was searched as well. */
function widen(
  searched: SearchedRange,
  { within, bounds, order }: { within: Bounds; bounds: Bounds; order: Order },
): SearchedRange {
  if (searched === null) return null;
  const isDone = placeAfter(searched, bounds, order) === null;
  return order === "newest"
    ? { from: isDone ? within.from : searched.from, to: within.to }
    : { from: within.from, to: isDone ? within.to : searched.to };
}
