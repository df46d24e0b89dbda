import { dirname, resolve } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { readReceiverTrust, readWebhookKeys, requireFolder } from "../../receivers/index.ts";
import type { SinkSettings } from "../../sink-settings.ts";
import { readToken } from "./otlp-sender.ts";

/**
 * Looks at what the shape of the settings does not say: names, and the files that they name. No
 * receiver is asked, since one that is away is no fault of the configuration.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function requireSinks(sinks: readonly SinkSettings[]): void {
  for (const [index, sink] of sinks.entries()) {
    const before = sinks.slice(0, index);
    if (before.some(({ name }) => name === sink.name)) {
      throw refusal(sink, "expected a name of its own, got that of another sink");
    }
    try {
      requireFiles(sink);
    } catch (thrown) {
      if (thrown instanceof SondeError) throw refusal(sink, thrown.message);
      throw thrown;
    }
    if (sink.kind === "file") {
      const isTaken = (other: SinkSettings) =>
        other.kind === "file" && resolve(other.path) === resolve(sink.path);
      if (before.some(isTaken)) throw refusal(sink, "expected a file of its own");
    }
  }
}

function requireFiles(sink: SinkSettings): void {
  switch (sink.kind) {
    case "syslog":
      readReceiverTrust(sink);
      return;
    case "webhook":
      readReceiverTrust({ caPath: sink.caPath });
      readWebhookKeys(sink.keyPath);
      return;
    case "otlp":
      readReceiverTrust({ caPath: sink.caPath });
      if (sink.tokenPath !== undefined) readToken(sink.tokenPath);
      return;
    case "file":
      requireFolder(dirname(sink.path));
  }
}

function refusal({ name }: SinkSettings, why: string): SondeError {
  return new SondeError("CONFIG_INVALID", `auditSinks, ${name}: ${why}`);
}
