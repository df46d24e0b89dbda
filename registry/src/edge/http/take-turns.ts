/**
 * Lets at most `places` pieces of work run at once; the others wait in the
 * order they came.
 */
export function createTurns(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = places;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await work();
    } finally {
      // A place goes to the next in line, or back.
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
