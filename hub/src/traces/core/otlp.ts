import type { Span } from "./span.ts";

type Value = { stringValue: string } | { intValue: string };

/**
 * Renders spans as the body of an export in OTLP's JSON (ExportTraceServiceRequest, OTLP 1.x): ids are
 * hexadecimal, and 64-bit numbers are texts.
 */
export function renderOtlp(spans: readonly Span[], resource: { release: string; hub: string }) {
  return {
    resourceSpans: [
      {
        resource: {
          attributes: attributesOf({
            "service.name": "sonde-hub",
            "service.version": resource.release,
            "service.instance.id": resource.hub,
          }),
        },
        scopeSpans: [
          { scope: { name: "sonde", version: resource.release }, spans: spans.map(one) },
        ],
      },
    ],
  };
}

function one({ traceId, spanId, parentId, name, kind, ...span }: Span) {
  const { startMs, endMs, attributes, isFailure, link } = span;
  return {
    ...{ traceId, spanId, name, kind },
    ...(parentId !== null && { parentSpanId: parentId }),
    startTimeUnixNano: toNanos(startMs),
    endTimeUnixNano: toNanos(endMs),
    attributes: attributesOf(attributes),
    ...(link !== undefined && { links: [link] }),
    status: isFailure ? { code: 2 } : {},
  };
}

function attributesOf(attributes: Readonly<Record<string, string | number>>) {
  return Object.entries(attributes).map(([key, value]): { key: string; value: Value } => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(value) },
  }));
}

/** Microseconds are as exact as a number of ms since 1970 is. */
function toNanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
