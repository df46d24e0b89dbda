import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "@sonde/service";
import { chooseDelay } from "../core/backoff.ts";

/** How soon a hub sees that the one that served a receiver has gone. */
const LOOK_EVERY_MS = 1_000;

export type LeasedWork<Taken> = {
  /** Null while another hub has the lease. */
  take: () => Promise<Taken | null>;
  /** Returns when the signal ends it or the lease is lost. */
  work: (taken: Taken, signal: AbortSignal) => Promise<void>;
  release: (taken: Taken) => Promise<void>;
  /** Gets failures of the hub's own side, such as its database. */
  report: Report;
  /** At least 0 and below 1. */
  random: () => number;
};

/**
 * Serves one receiver for as long as no other hub of the database does.
 *
 * @returns what ends it, after which another hub may take over
 */
export function runLeased<Taken>(of: LeasedWork<Taken>): () => Promise<void> {
  const { take, work, release, report, random } = of;
  const stopping = new AbortController();
  const { signal } = stopping;

  async function runOnce(): Promise<void> {
    const taken = await take();
    if (taken === null) return;
    await work(taken, signal);
    await release(taken);
  }

  async function run(): Promise<void> {
    let inARow = 0;
    while (!signal.aborted) {
      try {
        await runOnce();
        inARow = 0;
      } catch (thrown) {
        report(thrown instanceof Error ? thrown : new Error(String(thrown)));
        inARow += 1;
      }
      const ms = inARow === 0 ? LOOK_EVERY_MS : chooseDelay(inARow, LOOK_EVERY_MS, random());
      await sleep(ms, undefined, { signal }).catch(() => undefined);
    }
  }

  const ended = run();
  return async () => {
    stopping.abort();
    await ended;
  };
}
