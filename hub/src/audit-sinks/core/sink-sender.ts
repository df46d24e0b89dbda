import type { Batch } from "./batch.ts";

/**
 * Brings batches to one receiver, one at a time. What it was given may arrive twice. It keeps nothing
 * on its own: after a failure it is closed, and a new one gets the same batch.
 */
export type SinkSender = {
  /**
   * Resolves when the receiver has acknowledged the whole batch.
   *
   * @throws SondeError, mostly a SinkFailure; then the batch has to be sent again
   */
  send(batch: Batch, signal: AbortSignal): Promise<Receipt>;
  close(): void;
};

/** `rejected` counts entries that the receiver took and will not keep. */
export type Receipt = { rejected: number };
