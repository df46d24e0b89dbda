import { setTimeout as sleep } from "node:timers/promises";

const EVERY_MS = 10_000;
/** A server that does not answer the smallest question for so long is lost. */
const ANSWER_MS = 10_000;

/**
 * Asks one question again and again, and says when one is not answered. A machine that vanishes ends
 * no connection: what was sent to it would wait for a quarter of an hour, and a connection on which
 * nothing is sent would last for ever. A statement that takes long is no sign of it.
 *
 * @param ask a rejection is an answer
 * @returns a function that ends it
 */
export function keepPulse(ask: () => Promise<unknown>, onLost: () => void): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const beat = async (): Promise<void> => {
    while (!signal.aborted) {
      const answer = ask().then(
        () => true,
        () => true,
      );
      const late = new AbortController();
      const waited = sleep(ANSWER_MS, false, { signal: AbortSignal.any([signal, late.signal]) });
      const isThere = await Promise.race([answer, waited.catch(() => true)]);
      late.abort();
      if (!isThere) onLost();
      await sleep(EVERY_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  };
  void beat();
  return () => stop.abort();
}
