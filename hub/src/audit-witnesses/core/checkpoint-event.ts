import { createHash } from "node:crypto";
import type { Checkpoint } from "@sonde/trust/log";

/**
 * A checkpoint as a webhook gets it. Body and id are the same each time it is sent, so that a receiver
 * can drop doubles.
 */
export function buildCheckpointEvent(
  { size, at, note }: Checkpoint,
  of: { hub: string; witness: string },
): { id: string; body: string } {
  const id = `msg_${createHash("sha256").update(`${of.witness} ${note}`).digest("base64url").slice(0, 32)}`;
  const body = JSON.stringify({
    type: "sonde.audit.checkpoint",
    timestamp: at.toISOString(),
    data: { ...of, size, note },
  });
  return { id, body };
}
