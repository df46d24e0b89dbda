import { signRequest } from "../../receivers/index.ts";
import type { Batch } from "./batch.ts";

/**
 * The request of a batch by the scheme of Standard Webhooks. Body and id are the same each time the
 * batch is sent, so that a receiver can drop doubles; the time and the signature are not.
 *
 * @param hubId the hub's id, by which a receiver tells several apart
 */
export function buildWebhook(
  { id, sink, entries }: Batch,
  hubId: string,
  keys: readonly Buffer[],
  now: Date,
): { headers: Record<string, string>; body: string } {
  const last = entries.at(-1) ?? entries[0];
  const body = JSON.stringify({
    type: "sonde.audit.entries",
    timestamp: last.record.at,
    data: { hub: hubId, sink, entries },
  });
  return { headers: signRequest({ id, body }, keys, now), body };
}
