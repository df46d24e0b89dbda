import { parseJson } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import { createHttpReceiver, readReceiverTrust, readSecret } from "../../receivers/index.ts";
import type { OtlpSettings } from "../../sink-settings.ts";
import { countRejected, renderOtlpLogs } from "../core/otlp-logs.ts";
import type { SinkSender } from "../core/sink-sender.ts";

/** @throws SondeError CONFIG_INVALID */
export function readToken(path: string): string {
  return readSecret(path, "token of the collector").trim();
}

/**
 * @param hub this hub's name among the hubs of its database, as its traces have it
 * @throws SondeError CONFIG_INVALID
 */
export function createOtlpSender(
  { endpoint, tokenPath, caPath }: OtlpSettings,
  hub: string,
): SinkSender {
  const receiver = createHttpReceiver(endpoint, readReceiverTrust({ caPath }));
  return {
    async send(batch, signal) {
      const headers = {
        "content-type": "application/json",
        ...(tokenPath !== undefined && { authorization: `Bearer ${readToken(tokenPath)}` }),
      };
      const body = JSON.stringify(renderOtlpLogs(batch, { release: RELEASE, hub }));
      const { body: answer } = await receiver.post(headers, body, signal);
      if (answer.length === 0) return { rejected: 0 };
      const rejected = countRejected(parseJson(answer, "answer of the collector", "SINK_REFUSED"));
      return { rejected: Math.min(rejected, batch.entries.length) };
    },
    close: () => receiver.close(),
  };
}
