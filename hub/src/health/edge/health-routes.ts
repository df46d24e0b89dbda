import { HubHealth } from "@sonde/schemas/hub";
import type { Hub } from "../../hub.ts";
import type { RecordCounts } from "../core/count-records.ts";
import type { RequestCounts } from "../core/count-requests.ts";
import { healthFamilies } from "../core/health-families.ts";
import type { Family } from "../core/metrics.ts";
import { METRICS_TYPE, renderMetrics } from "../core/render-metrics.ts";
import { type HealthUses, readHealth } from "./read-health.ts";

/** What this process counts from its start. Each hub of a database counts for itself. */
export type Metrics = {
  startedAt: Date;
  records: RecordCounts;
  requests: RequestCounts;
  /** Of a hub with traces; none without. */
  spans: () => Family[];
};

/** Adds the route that says how the hub is, and the same with what it counted for Prometheus. */
export function addHealthRoutes(hub: Hub, metrics: Metrics, uses: HealthUses): void {
  const { startedAt, records, requests, spans } = metrics;
  hub.app.get(
    "/api/v1/health",
    {
      config: { right: "metrics.read" },
      schema: {
        summary: "Whether the hub and what it stands on are well, in numbers",
        response: { 200: HubHealth },
      },
    },
    () => readHealth(hub, uses, startedAt),
  );

  // No cookie counts: what scrapes has a key, and a page of anywhere else has none.
  hub.app.get(
    "/metrics",
    { config: { right: "metrics.read", takesCookie: false } },
    async (_request, reply) => {
      const health = await readHealth(hub, uses, startedAt);
      const families = [
        ...healthFamilies(health, hub.now()),
        ...[...records.read(), ...requests.read(), ...spans()],
      ];
      return reply
        .type(METRICS_TYPE)
        .header("cache-control", "no-store")
        .send(renderMetrics(families));
    },
  );
}
