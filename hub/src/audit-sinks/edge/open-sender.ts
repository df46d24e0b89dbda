import type { SinkSettings } from "../../sink-settings.ts";
import type { SinkSender } from "../core/sink-sender.ts";
import { createFileSender } from "./file-sender.ts";
import { createOtlpSender } from "./otlp-sender.ts";
import { createSyslogSender } from "./syslog-sender.ts";
import { createWebhookSender } from "./webhook-sender.ts";

/** What receivers are told of the hub. */
export type Origin = {
  /** One for all hubs of a database. */
  hubId: string;
  /** This hub's name among them. */
  hub: string;
  /** The name by which agents reach it. */
  host: string;
  now: () => Date;
};

/**
 * @param onLost is called when a batch that was acknowledged may be lost; only syslog has that
 * @throws SondeError CONFIG_INVALID for a file that was sound when the configuration was read
 */
export function openSender(settings: SinkSettings, origin: Origin, onLost: () => void): SinkSender {
  switch (settings.kind) {
    case "syslog":
      return createSyslogSender(settings, origin.host, onLost);
    case "webhook":
      return createWebhookSender(settings, origin);
    case "otlp":
      return createOtlpSender(settings, origin.hub);
    case "file":
      return createFileSender(settings);
  }
}
