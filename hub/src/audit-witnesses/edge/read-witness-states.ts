import type { OutsideWitnessState } from "@sonde/schemas/hub";
import type { Checkpoints } from "../../audit/index.ts";
import type { WitnessSettings } from "../../witness-settings.ts";
import type { WitnessStore } from "./witness-store.ts";

/** Reads how far the configured witnesses are. One that no hub has begun yet is left out. */
export async function readWitnessStates(options: {
  store: Pick<WitnessStore, "list">;
  checkpoints: Pick<Checkpoints, "latest">;
  settings: readonly WitnessSettings[];
  /** Attempts that failed at this hub. */
  failures: (name: string) => number;
}): Promise<OutsideWitnessState[]> {
  const { store, checkpoints, settings, failures } = options;
  if (settings.length === 0) return [];
  const stored = new Map((await store.list()).map((one) => [one.name, one]));
  const newest = checkpoints.latest()?.size ?? 0;
  return settings.flatMap(({ name, kind }): OutsideWitnessState[] => {
    const found = stored.get(name);
    if (found === undefined) return [];
    const { size, takenAt, failingSince, error } = found;
    return [
      {
        ...{ name, kind, size, takenAt: takenAt?.toISOString() ?? null },
        lagEntries: Math.max(newest - size, 0),
        failingSince: failingSince?.toISOString() ?? null,
        disagrees: failingSince !== null && error?.code === "WITNESS_DISAGREES",
        ...{ lastError: error, failures: failures(name) },
      },
    ];
  });
}
