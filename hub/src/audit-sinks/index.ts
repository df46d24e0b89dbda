import type { AuditSinkState } from "@sonde/schemas/hub";
import type { AuditStore } from "../audit/index.ts";
import type { Hub } from "../hub.ts";
import { runConfigured } from "../receivers/index.ts";
import { openSender } from "./edge/open-sender.ts";
import { runSink } from "./edge/run-sink.ts";
import { addSinkRoutes } from "./edge/sink-routes.ts";
import { createSinkStore } from "./edge/sink-store.ts";
import { readSinkStates } from "./edge/read-sink-states.ts";

export { requireSinks } from "./edge/check-sinks.ts";
export { migrations } from "./migrations.ts";

/** The sinks of the audit log: where its entries go as well. */
export type AuditSinks = {
  /** How far each configured sink is, in the order of the configuration. */
  read(): Promise<AuditSinkState[]>;
  /** Says that this hub has written an entry. Never waits. */
  wake(): void;
  /** Runs what the configuration says now. A sink whose settings are the same goes on undisturbed. */
  reload(): void;
};

/** @param uses `self` is this hub's name among the hubs of its database */
export function installSinks(hub: Hub, uses: { auditStore: AuditStore; self: string }): AuditSinks {
  const { auditStore, self } = uses;
  const { sql, auditLog, now, report, keys, links } = hub;
  const store = createSinkStore(sql, self);
  const list = runConfigured({
    wanted: () => hub.config.auditSinks ?? [],
    start(settings) {
      const host = hub.config.agents.names[0] ?? "";
      const origin = { hubId: keys.hubId, hub: self, host, now };
      return runSink({
        ...{ settings, store, auditStore, auditLog, now, report },
        random: Math.random,
        running: () => links.hubs.running(),
        openSender: (onLost) => openSender(settings, origin, onLost),
      });
    },
    report,
  });
  hub.onStop(() => list.stop());
  const sinks: AuditSinks = {
    read: () =>
      readSinkStates({
        ...{ store, now, settings: hub.config.auditSinks ?? [] },
        failures: (name) => list.find(name)?.failures() ?? 0,
      }),
    wake() {
      for (const sink of list.all()) sink.wake();
    },
    reload: () => list.reload(),
  };
  addSinkRoutes(hub, sinks);
  return sinks;
}
