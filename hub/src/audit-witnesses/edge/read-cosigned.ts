import type { CosignedCheckpoint } from "@sonde/schemas/audit";
import type { WitnessStore } from "./witness-store.ts";

/** What witnesses have cosigned, also those that are not asked any more: their word stays good. */
export async function readCosigned(
  store: Pick<WitnessStore, "list">,
): Promise<CosignedCheckpoint[]> {
  return (await store.list()).flatMap(({ name: witness, size, cosigned }) =>
    cosigned === null
      ? []
      : [{ witness, note: cosigned.note, size, at: cosigned.at.toISOString() }],
  );
}
