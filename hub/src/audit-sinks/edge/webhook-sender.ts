import type { WebhookSettings } from "../../sink-settings.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { buildWebhook, parseWebhookKeys } from "../core/webhook-request.ts";
import { createJsonReceiver } from "./post-json.ts";
import { readSecret } from "./private-file.ts";
import { readReceiverTrust } from "./receiver-trust.ts";

/** @throws SondeError CONFIG_INVALID */
export function readWebhookKeys(path: string): Buffer[] {
  return parseWebhookKeys(readSecret(path, "webhook key"), path);
}

/** @throws SondeError CONFIG_INVALID */
export function createWebhookSender(
  { url, keyPath, caPath }: WebhookSettings,
  { hubId, now }: { hubId: string; now: () => Date },
): SinkSender {
  const receiver = createJsonReceiver(url, readReceiverTrust({ caPath }));
  return {
    async send(batch, signal) {
      const { headers, body } = buildWebhook(batch, hubId, readWebhookKeys(keyPath), now());
      await receiver.post(headers, body, signal);
      return { rejected: 0 };
    },
    close: () => receiver.close(),
  };
}
