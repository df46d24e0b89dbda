import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "@sonde/service";
import { chooseDelay } from "../core/backoff.ts";
import { createBell } from "../core/bell.ts";
import { createDelivery, type DeliveryPorts } from "./delivery.ts";
import type { SinkStore } from "./sink-store.ts";

/** How soon a hub sees that the one that ran a sink has gone. */
const LOOK_EVERY_MS = 1_000;

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
  const stopping = new AbortController();
  const { signal } = stopping;
  const bell = createBell();
  let failures = 0;
  const onFailure = (): void => void (failures += 1);

  async function runOnce(): Promise<void> {
    const taken = await store.take(settings.name, settings.from ?? "now", running());
    if (taken === null) return;
    const delivery = createDelivery({ ...ports, bell, signal, onFailure }, taken);
    await delivery.run();
    await store.release(taken.lease);
  }

  async function run(): Promise<void> {
    let inARow = 0;
    while (!signal.aborted) {
      try {
        await runOnce();
        inARow = 0;
      } catch (thrown) {
        // Of the hub's own side, such as its database; failures of the receiver are told elsewhere.
        report(thrown instanceof Error ? thrown : new Error(String(thrown)));
        inARow += 1;
      }
      const ms = inARow === 0 ? LOOK_EVERY_MS : chooseDelay(inARow, LOOK_EVERY_MS, random());
      await sleep(ms, undefined, { signal }).catch(() => undefined);
    }
  }

  const ended = run();
  return {
    wake: () => bell.ring(),
    failures: () => failures,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
