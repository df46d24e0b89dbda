import { createHttpReceiver, readReceiverTrust, readWebhookKeys } from "../../receivers/index.ts";
import type { WebhookSettings } from "../../sink-settings.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { buildWebhook } from "../core/webhook-request.ts";

/** @throws SondeError CONFIG_INVALID */
export function createWebhookSender(
  { url, keyPath, caPath }: WebhookSettings,
  { hubId, now }: { hubId: string; now: () => Date },
): SinkSender {
  const receiver = createHttpReceiver(url, readReceiverTrust({ caPath }));
  return {
    async send(batch, signal) {
      const { headers, body } = buildWebhook(batch, hubId, readWebhookKeys(keyPath), now());
      await receiver.post(headers, body, signal);
      return { rejected: 0 };
    },
    close: () => receiver.close(),
  };
}
