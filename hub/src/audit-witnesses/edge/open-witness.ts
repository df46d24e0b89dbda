import type { WitnessSettings } from "../../witness-settings.ts";
import type { WitnessSender } from "../core/witness-sender.ts";
import { createFileWitness } from "./file-witness.ts";
import { createTlogWitness, type TlogWitnessPorts } from "./tlog-witness.ts";
import { createWebhookWitness } from "./webhook-witness.ts";

export type WitnessOrigin = TlogWitnessPorts & { hubId: string; now: () => Date };

/** @throws SondeError CONFIG_INVALID for a file that was sound when the configuration was read */
export function openWitness(settings: WitnessSettings, origin: WitnessOrigin): WitnessSender {
  switch (settings.kind) {
    case "file":
      return createFileWitness(settings, origin.hubId);
    case "webhook":
      return createWebhookWitness(settings, origin);
    case "tlog-witness":
      return createTlogWitness(settings, origin);
  }
}
