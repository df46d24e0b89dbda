import type { AuditStore, Subjects } from "../audit/index.ts";
import { createDroppedStore } from "../audit/index.ts";
import type { AuditSinks } from "../audit-sinks/index.ts";
import type { Hub } from "../hub.ts";
import type { Limits, SinkPlace } from "./core/find-outdated.ts";
import { createDropStore } from "./edge/drop-lease.ts";
import { addHoldRoutes } from "./edge/hold-routes.ts";
import { createHoldStore } from "./edge/hold-store.ts";
import { type RunningRetention, runRetention } from "./edge/run-retention.ts";

export { migrations } from "./migrations.ts";

/**
 * Drops the content of the oldest entries, as the configuration says, and keeps what is on hold.
 *
 * @param uses `self` is this hub's name among the hubs of its database
 */
export function installRetention(
  hub: Hub,
  uses: {
    auditStore: AuditStore;
    self: string;
    sinks: Pick<AuditSinks, "read">;
    subjects: Subjects;
  },
): Pick<RunningRetention, "wake"> {
  const { auditStore, self, sinks, subjects } = uses;
  const { auditLog, checkpoints, links, now, report, sql } = hub;
  const holds = createHoldStore(sql, subjects);
  addHoldRoutes(hub, holds);
  const running = runRetention({
    ...{ auditLog, auditStore, checkpoints, holds, now, report },
    dropped: createDroppedStore(sql),
    drops: createDropStore(sql, self, holds),
    running: () => links.hubs.running(),
    limits: () => readLimits(hub.config),
    sinks: () => readPlaces(hub.config, sinks),
  });
  hub.onStop(() => running.stop());
  return running;
}

function readLimits({ audit }: Hub["config"]): Limits | null {
  if (audit?.retention === undefined) return null;
  const { maxDays = null, maxBytes = null } = audit.retention;
  return { maxDays, maxBytes };
}

/** A sink that no hub has begun yet may begin with the first entry. */
async function readPlaces(
  { auditSinks = [] }: Hub["config"],
  sinks: Pick<AuditSinks, "read">,
): Promise<SinkPlace[] | null> {
  const states = await sinks.read();
  if (states.length < auditSinks.length) return null;
  return states.map(({ seq, failingSince }) => ({
    seq,
    failingSince: failingSince === null ? null : new Date(failingSince),
  }));
}
