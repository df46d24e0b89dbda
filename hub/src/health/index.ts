import type { HttpServer } from "@sonde/service";
import type { Hub } from "../hub.ts";
import { createRecordCounts } from "./core/count-records.ts";
import { createRequestCounts } from "./core/count-requests.ts";
import { addHealthRoutes, type Metrics } from "./edge/health-routes.ts";
import type { HealthUses } from "./edge/read-health.ts";

export { watchRecords } from "./core/count-records.ts";

/** @param countSpans of a hub with traces: how many a collector took, and how many none did */
export function createMetrics(
  startedAt: Date,
  countSpans: () => { sent: number; dropped: number } | null,
): Metrics {
  return {
    ...{ startedAt, records: createRecordCounts(), requests: createRequestCounts() },
    spans() {
      const counted = countSpans();
      if (counted === null) return [];
      const samples = Object.entries(counted).map(([outcome, value]) => ({
        ...{ labels: { outcome }, value },
      }));
      const help = "Spans for the collector of traces, by whether it took them";
      return [{ name: "sonde_spans_total", help, type: "counter", samples }];
    },
  };
}

/** Counts every request of a listener, also one that no route answers. */
export function countRequests(app: HttpServer, { requests }: Metrics): void {
  app.addHook("onResponse", async ({ method, routeOptions, is404 }, { statusCode, refusal }) => {
    requests.count({
      ...{ method, status: statusCode, refusal },
      route: is404 ? null : (routeOptions.url ?? null),
    });
  });
}

/** Installs what tells whether this hub is well: for the console, and for Prometheus. */
export function installHealth(hub: Hub, metrics: Metrics, uses: HealthUses): void {
  addHealthRoutes(hub, metrics, uses);
}
