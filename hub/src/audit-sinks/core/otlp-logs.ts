import type { AuditEntry } from "@sonde/schemas/audit";
import { buildParser } from "@sonde/schemas/parse";
import { Type } from "typebox";
import { attributesOf, resourceOf, toNanos } from "../../traces/index.ts";
import type { Batch } from "./batch.ts";

/** INFO and WARN (OTLP, SeverityNumber). */
const SEVERITY = { info: 9, ok: 9, denied: 13, failure: 13 } as const;

/** Renders a batch as the body of an export in OTLP's JSON (ExportLogsServiceRequest, OTLP 1.x). */
export function renderOtlpLogs(batch: Batch, resource: { release: string; hub: string }) {
  return {
    resourceLogs: [
      {
        resource: resourceOf(resource),
        scopeLogs: [
          {
            scope: { name: "sonde", version: resource.release },
            logRecords: batch.entries.map(one),
          },
        ],
      },
    ],
  };
}

function one({ seq, hash, record }: AuditEntry) {
  const { at, event, status, principal, agent, callId, code } = record;
  const nanos = toNanos(Date.parse(at));
  return {
    ...{ timeUnixNano: nanos, observedTimeUnixNano: nanos },
    ...{ severityNumber: SEVERITY[status], severityText: SEVERITY[status] > 9 ? "WARN" : "INFO" },
    body: { stringValue: JSON.stringify(record) },
    attributes: attributesOf({
      ...{ "sonde.audit.seq": seq, "sonde.audit.hash": hash, "sonde.audit.event": event },
      ...(principal !== null && { "sonde.audit.who": principal }),
      ...(agent !== null && { "sonde.agent": agent }),
      ...(callId !== null && { "sonde.call.id": callId }),
      ...(code !== null && { "sonde.outcome": code }),
    }),
  };
}

const Int64 = Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: "^[0-9]{1,15}$" })]);
/** ExportLogsServiceResponse. A later OTLP may have more members. */
const ExportAnswer = Type.Object({
  partialSuccess: Type.Optional(
    Type.Union([Type.Object({ rejectedLogRecords: Type.Optional(Int64) }), Type.Null()]),
  ),
});
const parseExportAnswer = buildParser(ExportAnswer, "answer of the collector", "SINK_REFUSED");

/**
 * How many records a collector dropped of those that it took. They must not be sent again (OTLP,
 * Partial Success).
 *
 * @throws SondeError SINK_REFUSED for what is no answer of a collector
 */
export function countRejected(answer: unknown): number {
  return Number(parseExportAnswer(answer).partialSuccess?.rejectedLogRecords ?? 0);
}
