import { parseWebhookKeys } from "../core/webhook-signature.ts";
import { readSecret } from "./private-file.ts";

/** @throws SondeError CONFIG_INVALID */
export function readWebhookKeys(path: string): Buffer[] {
  return parseWebhookKeys(readSecret(path, "webhook key"), path);
}
