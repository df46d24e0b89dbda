import { createHmac } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";

const PREFIX = "whsec_";
/** Two during a rotation, and one to spare. */
const MAX_KEYS = 3;

/**
 * Reads the secrets of a webhook: lines of `whsec_` and 24 to 64 bytes in base64.
 *
 * @throws SondeError CONFIG_INVALID, which says nothing of what the file has
 */
export function parseWebhookKeys(text: string, file: string): Buffer[] {
  const lines = text.split("\n").map((line) => line.trim());
  const named = lines.filter((line) => line !== "");
  const keys = named.map((line) => Buffer.from(line.slice(PREFIX.length), "base64"));
  const isSound =
    keys.length > 0 &&
    keys.length <= MAX_KEYS &&
    named.every((line) => /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(line)) &&
    keys.every(({ length }) => length >= 24 && length <= 64);
  if (isSound) return keys;
  throw new SondeError(
    "CONFIG_INVALID",
    `${file}: expected 1 to ${MAX_KEYS} lines of whsec_ and 24 to 64 bytes in base64`,
  );
}

/**
 * The headers of a request by the scheme of Standard Webhooks.
 *
 * @param keys each signs, so that a receiver may have any of them
 */
export function signRequest(
  { id, body }: { id: string; body: string },
  keys: readonly Buffer[],
  now: Date,
): Record<string, string> {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const signatures = keys.map((key) => signWebhook({ id, timestamp, body }, key));
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}

/** One signature, `v1,...`, as it stands in `webhook-signature`. */
export function signWebhook(
  { id, timestamp, body }: { id: string; timestamp: string; body: string },
  key: Buffer,
): string {
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`);
  return `v1,${mac.digest("base64")}`;
}
