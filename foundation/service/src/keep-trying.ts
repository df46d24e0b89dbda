import { setTimeout as sleep } from "node:timers/promises";
import type { Report } from "./logger.ts";

const AGAIN_MS = 1_000;

/**
 * Retries `work` once a second until it succeeds. For work that is already decided and
 * only has to be carried out. Reports each failure.
 *
 * @param signal ends the retries; the last failure is then thrown
 */
export async function keepTrying<T>(
  work: () => Promise<T>,
  report: Report,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      report(thrown instanceof Error ? thrown : new Error(String(thrown)));
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
