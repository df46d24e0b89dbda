/**
 * Watches looks that did not end at their deadline. Their reads are answered
 * already; but one that stays stuck in the kernel holds a thread, and a few of
 * them would stop every other file read (07-facts). Then this process has to go.
 *
 * @param graceMs how long after its deadline a look may still end by itself
 * @param end called once, with what is stuck
 */
export function createOverdueWatch(
  graceMs: number,
  end: (what: string) => void,
): (settled: Promise<void>, what: string) => void {
  return (settled, what) => {
    const timer = setTimeout(() => end(what), graceMs);
    void settled.then(() => clearTimeout(timer));
  };
}
