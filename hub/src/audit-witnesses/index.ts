import type { CosignedCheckpoint } from "@sonde/schemas/audit";
import type { OutsideWitnessState } from "@sonde/schemas/hub";
import { algorithmOf } from "@sonde/trust/envelope";
import type { Hub } from "../hub.ts";
import { runConfigured } from "../receivers/index.ts";
import { addCheckpointWitness } from "./edge/add-checkpoint-route.ts";
import { addForgetRoute } from "./edge/forget-route.ts";
import { openWitness } from "./edge/open-witness.ts";
import { readCosigned } from "./edge/read-cosigned.ts";
import { readWitnessStates } from "./edge/read-witness-states.ts";
import { runWitness } from "./edge/run-witness.ts";
import { addWitnessRoutes } from "./edge/witness-routes.ts";
import { createWitnessStore } from "./edge/witness-store.ts";
import { createWitnessedLogs } from "./edge/witnessed-logs.ts";

export { requireWitnesses } from "./edge/check-witnesses.ts";
export { migrations } from "./migrations.ts";

/** The witnesses of this log's checkpoints outside, and this hub as a witness of other logs. */
export type OutsideWitnesses = {
  /** How far each configured witness is, in the order of the configuration. */
  read(): Promise<OutsideWitnessState[]>;
  /** The newest checkpoint that each has cosigned. */
  readCosigned(): Promise<CosignedCheckpoint[]>;
  /** Serves what the configuration says now. A witness whose settings are the same goes on undisturbed. */
  reload(): void;
};

/** @param uses `self` is this hub's name among the hubs of its database */
export function installWitnesses(hub: Hub, { self }: { self: string }): OutsideWitnesses {
  const { sql, auditLog, checkpoints, now, report, keys, links } = hub;
  const store = createWitnessStore(sql, self);
  const algorithm = () => algorithmOf(keys.signing.held().keys.audit[0].publicKey);
  const origin = { hubId: keys.hubId, now, checkpoints, algorithm };
  const settings = () => hub.config.auditWitnesses ?? [];
  const list = runConfigured({
    wanted: settings,
    start: (of) =>
      runWitness({
        ...{ settings: of, store, checkpoints, auditLog, now, report },
        random: Math.random,
        running: () => links.hubs.running(),
        openSender: () => openWitness(of, origin),
      }),
    report,
  });
  hub.onStop(() => list.stop());
  const witnesses: OutsideWitnesses = {
    read: () =>
      readWitnessStates({
        ...{ store, checkpoints, settings: settings() },
        failures: (name) => list.find(name)?.failures() ?? 0,
      }),
    readCosigned: () => readCosigned(store),
    reload: () => list.reload(),
  };
  addWitnessRoutes(hub, witnesses);
  const witnessed = createWitnessedLogs(sql);
  addCheckpointWitness(hub, witnessed);
  addForgetRoute(hub, witnessed);
  return witnesses;
}
