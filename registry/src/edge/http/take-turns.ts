/**
 * Lets pieces of work run at once as long as their weights together are within
 * the room; the others wait in the order they came. One piece heavier than the
 * whole room runs alone.
 */
export function createTurns(
  room: number,
): <T>(weight: number, work: () => Promise<T>) => Promise<T> {
  let taken = 0;
  const waiting: { weight: number; go: () => void }[] = [];
  const fits = (weight: number): boolean => taken === 0 || taken + weight <= room;
  return async (weight, work) => {
    if (waiting.length === 0 && fits(weight)) taken += weight;
    else await new Promise<void>((go) => waiting.push({ weight, go }));
    try {
      return await work();
    } finally {
      taken -= weight;
      // Room is taken for the next in line here, so that nobody who comes now is before it.
      for (let next = waiting[0]; next !== undefined && fits(next.weight); next = waiting[0]) {
        waiting.shift();
        taken += next.weight;
        next.go();
      }
    }
  };
}
