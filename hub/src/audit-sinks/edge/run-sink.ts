import type { Report } from "@sonde/service";
import { createBell, runLeased } from "../../receivers/index.ts";
import { createDelivery, type DeliveryPorts } from "./delivery.ts";
import type { SinkStore } from "./sink-store.ts";

/** One sink at this hub. It works only while no other hub of the database runs it. */
export type RunningSink = {
  /** Says that there is a new entry. Never waits. */
  wake(): void;
  /** Attempts that failed since the start. */
  failures(): number;
  /** Ends it, after which another hub may run it. */
  stop(): Promise<void>;
};

export type SinkPorts = Omit<DeliveryPorts, "bell" | "signal" | "onFailure"> & {
  store: SinkStore;
  /** The hubs that run now. */
  running: () => readonly string[];
  report: Report;
};

export function runSink(ports: SinkPorts): RunningSink {
  const { settings, store, report, running, random } = ports;
  const bell = createBell();
  let failures = 0;
  const onFailure = (): void => void (failures += 1);
  const stop = runLeased({
    take: () => store.take(settings.name, settings.from ?? "now", running()),
    work: (taken, signal) => createDelivery({ ...ports, bell, signal, onFailure }, taken).run(),
    release: ({ lease }) => store.release(lease),
    ...{ report, random },
  });
  return { wake: () => bell.ring(), failures: () => failures, stop };
}
