import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { RELEASE } from "@sonde/schemas/release";
import { type HttpServer, type Report, readConfiguredText } from "@sonde/service";
import type { HubConfig } from "../config.ts";
import { callSpans } from "./core/call-spans.ts";
import { renderOtlp } from "./core/otlp.ts";
import { type NewIds, SPAN_KIND, type SpanContext } from "./core/span.ts";
import { readTraceparent } from "./core/traceparent.ts";
import { createExporter } from "./edge/exporter.ts";

export { attributesOf, resourceOf, toNanos } from "./core/otlp-values.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Of a hub with traces. */
    traced: { context: SpanContext; startMs: number } | null;
  }
}

/** Traces of what a hub is asked, for an OpenTelemetry collector. */
export type Tracer = {
  /** Makes a span of each request that is let in, and lets the spans of calls find theirs. */
  watchRequests(app: HttpServer): void;
  /** Makes the spans of a call, from the record of its end. */
  watchRecord(record: AuditRecord): void;
  counts(): { sent: number; dropped: number };
  close(): Promise<void>;
};

const newIds: NewIds = {
  trace: () => randomBytes(16).toString("hex"),
  span: () => randomBytes(8).toString("hex"),
};

/**
 * @param options.hub this hub's name among the hubs of its database
 * @returns null where the configuration has no `traces`
 */
export function openTracer(options: {
  config: HubConfig;
  hub: string;
  now: () => Date;
  report: Report;
}): Tracer | null {
  const { hub, report } = options;
  const { traces } = options.config;
  if (traces === undefined) return null;
  const { endpoint, tokenFile, clients = "link" } = traces;
  const now = (): number => options.now().getTime();
  const exporter = createExporter({
    ...{ endpoint, report },
    readToken: () =>
      tokenFile === undefined
        ? null
        : readConfiguredText(tokenFile, "token of the collector").trim(),
    render: (spans) => renderOtlp(spans, { release: RELEASE, hub }),
  });
  const current = new AsyncLocalStorage<SpanContext>();
  return {
    watchRequests(app) {
      app.decorateRequest("traced", null);
      app.addHook("onRequest", (request, _reply, done) => {
        const foreign =
          clients === "parent" ? readTraceparent(request.headers["traceparent"]) : null;
        const context = { traceId: foreign?.traceId ?? newIds.trace(), spanId: newIds.span() };
        request.traced = { context, startMs: now() };
        current.run(context, done);
      });
      // What follows the body runs in the context of the connection, which knows no request.
      app.addHook("preValidation", (request, _reply, done) => {
        if (request.traced === null) return done();
        current.run(request.traced.context, done);
      });
      app.addHook("onResponse", async ({ traced, method, headers, routeOptions }, reply) => {
        const { right } = routeOptions.config;
        // Whoever was not let in makes no span, and a scrape is none of a person or an AI.
        if (traced === null) return;
        if (right === "anybody" || right === "metrics.read") return;
        const foreign = clients === "ignore" ? null : readTraceparent(headers["traceparent"]);
        exporter.add([
          {
            ...traced.context,
            parentId: clients === "parent" ? (foreign?.spanId ?? null) : null,
            ...{ name: `${method} ${routeOptions.url ?? ""}`, kind: SPAN_KIND.server },
            ...{ startMs: traced.startMs, endMs: now() },
            attributes: {
              "http.request.method": method,
              "http.route": routeOptions.url ?? "",
              "http.response.status_code": reply.statusCode,
              ...(reply.refusal !== null && { "sonde.outcome": reply.refusal }),
            },
            isFailure: reply.statusCode >= 500,
            ...(clients === "link" && foreign !== null && { link: foreign }),
          },
        ]);
      });
    },
    watchRecord(record) {
      const within = current.getStore();
      if (within !== undefined) exporter.add(callSpans(record, within, newIds));
    },
    counts: () => exporter.counts(),
    close: () => exporter.close(),
  };
}
