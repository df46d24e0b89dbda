/** A span of somebody else, as `traceparent` names it (W3C Trace Context, 3.2). */
export type ForeignSpan = { traceId: string; spanId: string };

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** Reads the header; null for one that is none. A later version is none: what it means is not known. */
export function readTraceparent(header: string | string[] | undefined): ForeignSpan | null {
  if (typeof header !== "string") return null;
  const [, traceId = "", spanId = ""] = TRACEPARENT.exec(header) ?? [];
  return /[1-9a-f]/.test(traceId) && /[1-9a-f]/.test(spanId) ? { traceId, spanId } : null;
}
