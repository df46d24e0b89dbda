/** Limits how many tasks run at once. Further tasks wait in the order in which they came (FIFO). */
export function createTurns(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let taken = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (taken < places) taken += 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      // The place goes directly to the next waiting task, so a task that arrives now cannot
      // overtake it.
      const next = waiting.shift();
      if (next === undefined) taken -= 1;
      else next();
    }
  };
}
