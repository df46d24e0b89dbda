/** Lets so many pieces of work run at once; the others wait in the order they came. */
export function createTurns(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let taken = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (taken < places) taken += 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      // The place is handed on here, so that nobody who comes now is before the next in line.
      const next = waiting.shift();
      if (next === undefined) taken -= 1;
      else next();
    }
  };
}
