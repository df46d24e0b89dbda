/**
 * Does `work` for one value at a time. Of the values that arrive meanwhile only the newest waits, so
 * a fast sender fills no memory.
 *
 * @param work must not reject
 */
export function createNewest<T>(work: (value: T) => Promise<void>): (value: T) => void {
  let waiting: { value: T } | null = null;
  let isBusy = false;
  const drain = async (): Promise<void> => {
    isBusy = true;
    for (let next = waiting; next !== null; next = waiting) {
      waiting = null;
      await work(next.value);
    }
    isBusy = false;
  };
  return (value) => {
    waiting = { value };
    if (!isBusy) void drain();
  };
}
