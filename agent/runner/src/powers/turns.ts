import { SondeError } from "@sonde/schemas/errors";

/**
 * Makes a function that lets `most` of its uses run at once and the others wait, for connections to
 * servers that have few. Who has no time left waits no longer.
 *
 * @returns throws SondeError READ_TIMEOUT when a turn does not come in time
 */
export function createTurns(
  most: number,
): <T>(signal: AbortSignal, use: () => Promise<T>) => Promise<T> {
  const waiting = new Set<() => void>();
  let open = 0;
  const wakeNext = (): void => {
    const [next] = waiting;
    next?.();
  };
  const untilWoken = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      waiting.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  return async (signal, use) => {
    while (open >= most && !signal.aborted) await untilWoken(signal);
    if (signal.aborted) {
      wakeNext();
      throw new SondeError("READ_TIMEOUT", "expected a free connection of the runner in time");
    }
    open += 1;
    try {
      return await use();
    } finally {
      open -= 1;
      wakeNext();
    }
  };
}
