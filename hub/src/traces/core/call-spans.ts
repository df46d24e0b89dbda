import type { AuditRecord } from "@sonde/schemas/audit";
import type { ResultBody } from "@sonde/schemas/wire";
import type { NewIds, Span, SpanContext } from "./span.ts";
import { SPAN_KIND } from "./span.ts";

type Ended = Pick<
  AuditRecord,
  "at" | "event" | "callId" | "probe" | "agent" | "status" | "code" | "durationMs" | "detail"
>;
type Detail = { hops?: { hop: string; ms: number }[]; timings?: ResultBody["timings"] };

/** What an agent times, in the order in which it happens, and who does it. */
const STAGES = [
  ["checks", "agent: check"],
  ["reads", "runner: read"],
  ["scrub", "agent: scrub"],
  ["guest", "pack host: compute"],
  ["audit", "agent: audit commit"],
] as const;

/**
 * Builds the spans of one call of one agent from the record of its end, below the request that it came
 * with. The agent makes none: it told the hub how long each of its stages took, and they are laid out
 * in the middle of the round trip, since its clock is not the hub's.
 *
 * @returns none for another record
 */
export function callSpans(record: Ended, within: SpanContext, newIds: NewIds): Span[] {
  const { event, callId, status, code } = record;
  if (event !== "call.response" && event !== "call.denied") return [];
  const endMs = Date.parse(record.at);
  const { hops = [], timings } = record.detail as Detail;
  const answerMs = record.durationMs ?? 0;
  const before = hops.filter(({ hop }) => hop !== ROUND_TRIP);
  const startMs = endMs - answerMs - before.reduce((sum, { ms }) => sum + ms, 0);
  const isFailure = status !== "ok";
  const call: Span = {
    ...{ traceId: within.traceId, spanId: newIds.span(), parentId: within.spanId },
    ...{ name: "call", kind: SPAN_KIND.internal, startMs, endMs, isFailure },
    attributes: {
      "sonde.call.id": callId ?? "",
      "sonde.outcome": code ?? "ok",
      // Of a refused call, both are what a client wrote.
      ...(event === "call.response" && {
        "sonde.tool": record.probe ?? "",
        "sonde.agent": record.agent ?? "",
      }),
    },
  };
  const below = (parent: Span, name: string, from: number, ms: number): Span => ({
    ...{ traceId: call.traceId, spanId: newIds.span(), parentId: parent.spanId, name },
    ...{ kind: SPAN_KIND.internal, startMs: from, endMs: from + ms },
    ...{ attributes: {}, isFailure: false },
  });
  const spans = [call];
  let at = startMs;
  for (const { hop, ms } of before) {
    spans.push(below(call, hop, at, ms));
    at += ms;
  }
  if (event === "call.denied") return spans;
  const trip = { ...below(call, ROUND_TRIP, at, answerMs), kind: SPAN_KIND.client, isFailure };
  spans.push(trip);
  if (timings !== undefined) spans.push(...agentSpans(trip, timings, below));
  return spans;
}

const ROUND_TRIP = "hub: agent round trip";

/** What an agent says of its time is cut to the time that it had. */
function agentSpans(
  trip: Span,
  timings: ResultBody["timings"],
  below: (parent: Span, name: string, from: number, ms: number) => Span,
): Span[] {
  const had = trip.endMs - trip.startMs;
  const total = Math.min(Math.max(timings.total, 0), had);
  const agent = below(trip, "agent", trip.startMs + (had - total) / 2, total);
  const spans = [agent];
  let at = agent.startMs;
  for (const [stage, name] of STAGES) {
    const ms = Math.min(Math.max(timings[stage], 0), agent.endMs - at);
    spans.push(below(agent, name, at, ms));
    at += ms;
  }
  return spans;
}
