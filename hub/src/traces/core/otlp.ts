import { attributesOf, resourceOf, toNanos } from "./otlp-values.ts";
import type { Span } from "./span.ts";

/**
 * Renders spans as the body of an export in OTLP's JSON (ExportTraceServiceRequest, OTLP 1.x): ids are
 * hexadecimal.
 */
export function renderOtlp(spans: readonly Span[], resource: { release: string; hub: string }) {
  return {
    resourceSpans: [
      {
        resource: resourceOf(resource),
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
