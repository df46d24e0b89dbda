import type { ForeignSpan } from "./traceparent.ts";

/** Kinds of OTLP. */
export const SPAN_KIND = { internal: 1, server: 2, client: 3 } as const;

/** One step of a walk. Times are in ms since 1970, with fractions. */
export type Span = {
  traceId: string;
  spanId: string;
  parentId: string | null;
  name: string;
  kind: (typeof SPAN_KIND)[keyof typeof SPAN_KIND];
  startMs: number;
  endMs: number;
  /** Names of ours and of the error table. Never a parameter, a result or a text of a stranger. */
  attributes: Readonly<Record<string, string | number>>;
  isFailure: boolean;
  link?: ForeignSpan;
};

/** Where spans of a request belong. */
export type SpanContext = { traceId: string; spanId: string };

/** Makes ids: 16 and 8 random bytes in hexadecimal. */
export type NewIds = { trace: () => string; span: () => string };
