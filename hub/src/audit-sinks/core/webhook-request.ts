import { createHmac } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { Batch } from "./batch.ts";

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
 * The request of a batch by the scheme of Standard Webhooks. Body and id are the same each time the
 * batch is sent, so that a receiver can drop doubles; the time and the signature are not.
 *
 * @param hubId the hub's id, by which a receiver tells several apart
 * @param keys each signs, so that a receiver may have any of them
 */
export function buildWebhook(
  { id, sink, entries }: Batch,
  hubId: string,
  keys: readonly Buffer[],
  now: Date,
): { headers: Record<string, string>; body: string } {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const last = entries.at(-1) ?? entries[0];
  const body = JSON.stringify({
    type: "sonde.audit.entries",
    timestamp: last.record.at,
    data: { hub: hubId, sink, entries },
  });
  const signatures = keys.map((key) => signWebhook({ id, timestamp, body }, key));
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
  return { headers, body };
}

/** One signature, `v1,...`, as it stands in `webhook-signature`. */
export function signWebhook(
  { id, timestamp, body }: { id: string; timestamp: string; body: string },
  key: Buffer,
): string {
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`);
  return `v1,${mac.digest("base64")}`;
}
