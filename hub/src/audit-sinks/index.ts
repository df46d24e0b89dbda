import type { AuditSinkState } from "@sonde/schemas/hub";
import type { AuditStore } from "../audit/index.ts";
import type { Hub } from "../hub.ts";
import type { SinkSettings } from "../sink-settings.ts";
import { openSender } from "./edge/open-sender.ts";
import { type RunningSink, runSink } from "./edge/run-sink.ts";
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
  const running = new Map<string, { settings: SinkSettings; sink: RunningSink }>();
  /** Sinks that end. A sink begins anew after its former self has ended. */
  let turn: Promise<void> = Promise.resolve();
  let isStopping = false;

  const start = (settings: SinkSettings): void => {
    const host = hub.config.agents.names[0] ?? "";
    const origin = { hubId: keys.hubId, hub: self, host, now };
    const sink = runSink({
      ...{ settings, store, auditStore, auditLog, now, report },
      random: Math.random,
      running: () => links.hubs.running(),
      openSender: (onLost) => openSender(settings, origin, onLost),
    });
    running.set(settings.name, { settings, sink });
  };

  async function change(wanted: readonly SinkSettings[]): Promise<void> {
    const isWanted = (of: SinkSettings): boolean =>
      wanted.some((settings) => JSON.stringify(settings) === JSON.stringify(of));
    const over = [...running.values()].filter(({ settings }) => !isWanted(settings));
    await Promise.all(over.map(({ sink }) => sink.stop()));
    for (const { settings } of over) running.delete(settings.name);
    for (const settings of wanted) if (!running.has(settings.name)) start(settings);
  }

  const reload = (): void => {
    turn = turn.then(() => change(isStopping ? [] : (hub.config.auditSinks ?? []))).catch(report);
  };
  reload();
  hub.onStop(async () => {
    isStopping = true;
    reload();
    await turn;
  });
  const sinks: AuditSinks = {
    read: () =>
      readSinkStates({
        ...{ store, now, settings: hub.config.auditSinks ?? [] },
        failures: (name) => running.get(name)?.sink.failures() ?? 0,
      }),
    wake() {
      for (const { sink } of running.values()) sink.wake();
    },
    reload,
  };
  addSinkRoutes(hub, sinks);
  return sinks;
}
