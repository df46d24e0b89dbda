import {
  createHttpReceiver,
  readReceiverTrust,
  readWebhookKeys,
  signRequest,
} from "../../receivers/index.ts";
import type { WebhookWitness } from "../../witness-settings.ts";
import { buildCheckpointEvent } from "../core/checkpoint-event.ts";
import type { WitnessSender } from "../core/witness-sender.ts";

/** @throws SondeError CONFIG_INVALID */
export function createWebhookWitness(
  { name, url, keyPath, caPath }: WebhookWitness,
  { hubId, now }: { hubId: string; now: () => Date },
): WitnessSender {
  const receiver = createHttpReceiver(url, readReceiverTrust({ caPath }));
  return {
    async offer(checkpoint, _taken, signal) {
      const event = buildCheckpointEvent(checkpoint, { hub: hubId, witness: name });
      const headers = signRequest(event, readWebhookKeys(keyPath), now());
      await receiver.post(headers, event.body, signal);
      return null;
    },
    close: () => receiver.close(),
  };
}
