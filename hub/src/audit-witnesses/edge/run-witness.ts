import type { Report } from "@sonde/service";
import type { Checkpoints } from "../../audit/index.ts";
import { createBell, runLeased } from "../../receivers/index.ts";
import { createOffering, type OfferingPorts } from "./offering.ts";
import type { WitnessStore } from "./witness-store.ts";

/** One witness at this hub. It is served only while no other hub of the database does so. */
export type RunningWitness = {
  /** Attempts that failed since the start. */
  failures(): number;
  /** Ends it, after which another hub may serve it. */
  stop(): Promise<void>;
};

export type WitnessPorts = Omit<OfferingPorts, "bell" | "signal" | "onFailure"> & {
  store: WitnessStore;
  checkpoints: Pick<Checkpoints, "atLeast" | "latest" | "onNew">;
  /** The hubs that run now. */
  running: () => readonly string[];
  report: Report;
};

export function runWitness(ports: WitnessPorts): RunningWitness {
  const { settings, store, checkpoints, report, running, random } = ports;
  const bell = createBell();
  let failures = 0;
  const onFailure = (): void => void (failures += 1);
  const stop = runLeased({
    take: () => store.take(settings.name, running()),
    work: (taken, signal) => createOffering({ ...ports, bell, signal, onFailure }, taken).run(),
    release: ({ lease }) => store.release(lease),
    ...{ report, random },
  });
  const forget = checkpoints.onNew(() => bell.ring());
  return {
    failures: () => failures,
    async stop() {
      forget();
      await stop();
    },
  };
}
