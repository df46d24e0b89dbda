/**
 * Watches reads that overran their deadline. Their outcome was already sent. But a read
 * that is stuck in the kernel holds a thread, and a few of them would block every other
 * file read. Then the process has to end.
 *
 * @param graceMs how long a read may overrun its deadline
 * @param end called once, with a description of the stuck read
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
