import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import { chooseDelay } from "../core/backoff.ts";
import { SinkFailure } from "../core/sink-failure.ts";
import type { Lease } from "./leases.ts";

export type ReceiverPorts<Place, Sender> = {
  lease: Lease;
  /** Where the receiver stood when the lease was taken. */
  place: Place;
  /** @returns false when another hub has the lease */
  save: (lease: Lease, place: Place) => Promise<boolean>;
  openSender: () => Sender;
  signal: AbortSignal;
  onFailure: () => void;
  /** At least 0 and below 1. */
  random: () => number;
};

/** One receiver as this hub serves it: its place, the sender to it, and the waits after failures. */
export type ServedReceiver<Place, Sender> = {
  place: () => Place;
  /** Keeps the change durably. When another hub has the lease, `run` ends. */
  save: (change: Partial<Place>) => Promise<void>;
  /** The sender that is open, or a new one. */
  sender(): Sender;
  closeSender(): void;
  /** Resolves after that time, or with the signal. */
  rest: (ms: number) => Promise<void>;
  /** The receiver took what it was sent. */
  succeed(): void;
  /**
   * The receiver failed: records it by `tell`, then waits, longer with each failure in a row. Does
   * nothing once the signal has ended the work.
   *
   * @throws what is no failure of the receiver: a mistake here must not stay unseen
   */
  fail(thrown: unknown, tell: (why: SondeError) => Promise<void>): Promise<void>;
  /** Repeats the step until the signal ends it or another hub has the lease. */
  run(step: () => Promise<void>): Promise<void>;
};

/** Another hub has the lease. */
class LeaseLost extends Error {}

export function serveReceiver<Place, Sender extends { close(): void }>(
  ports: ReceiverPorts<Place, Sender>,
): ServedReceiver<Place, Sender> {
  const { lease, signal } = ports;
  let { place } = ports;
  let sender: Sender | null = null;
  let failures = 0;

  const rest = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined);
  const closeSender = (): void => {
    sender?.close();
    sender = null;
  };
  return {
    place: () => place,
    async save(change) {
      const next = { ...place, ...change };
      if (!(await ports.save(lease, next))) throw new LeaseLost();
      place = next;
    },
    sender: () => (sender ??= ports.openSender()),
    closeSender,
    rest,
    succeed: () => void (failures = 0),
    async fail(thrown, tell) {
      if (signal.aborted) return;
      closeSender();
      failures += 1;
      ports.onFailure();
      if (!(thrown instanceof SondeError)) throw thrown;
      await tell(thrown);
      const askedMs = thrown instanceof SinkFailure ? thrown.askedMs : 0;
      await rest(chooseDelay(failures, askedMs, ports.random()));
    },
    async run(step) {
      try {
        while (!signal.aborted) await step();
      } catch (thrown) {
        if (!(thrown instanceof LeaseLost)) throw thrown;
      } finally {
        closeSender();
      }
    },
  };
}
