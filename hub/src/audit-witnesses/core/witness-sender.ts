import type { Checkpoint } from "@sonde/trust/log";

/** A checkpoint with the line of the witness that cosigned it, and when it did. */
export type CosignedNote = { note: string; at: Date };

/**
 * Brings checkpoints to one witness, one at a time. What it was given may arrive twice. It keeps nothing
 * on its own: after a failure it is closed, and a new one gets what is the newest then.
 */
export type WitnessSender = {
  /**
   * Resolves when the witness has taken the checkpoint.
   *
   * @param taken the entries of the last one that it took
   * @returns null for a witness that signs nothing
   * @throws SondeError WITNESS_DISAGREES when it has seen another log; else what kept it from arriving
   */
  offer(checkpoint: Checkpoint, taken: number, signal: AbortSignal): Promise<CosignedNote | null>;
  close(): void;
};
