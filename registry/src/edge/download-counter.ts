import type { PackStore } from "./store/pack-store.ts";

const FLUSH_EVERY_MS = 5000;

/**
 * Counts downloads in memory and adds them to the database every 5 seconds, so that no download
 * waits for a write. A killed registry loses at most the last 5 seconds; a stopped one loses
 * nothing.
 */
export type DownloadCounter = {
  count(name: string, version: string): void;
  /** Writes the remaining counts. */
  close(): Promise<void>;
};

type Count = { name: string; version: string; count: number };

export function createDownloadCounter(
  packs: PackStore,
  report: (error: Error) => void,
): DownloadCounter {
  let counts = new Map<string, Count>();
  let flushing = Promise.resolve();

  function add({ name, version, count }: Count): void {
    const key = `${name} ${version}`;
    const present = counts.get(key);
    if (present === undefined) counts.set(key, { name, version, count });
    else present.count += count;
  }

  async function flush(): Promise<void> {
    if (counts.size === 0) return;
    const taken = counts;
    counts = new Map();
    try {
      await packs.addDownloads([...taken.values()]);
    } catch (thrown) {
      // Keep the counts for the next flush, so that a database outage loses none.
      for (const count of taken.values()) add(count);
      report(new Error("the counted downloads could not be written", { cause: thrown }));
    }
  }

  const flushNext = (): Promise<void> => (flushing = flushing.then(flush));
  const timer = setInterval(() => void flushNext(), FLUSH_EVERY_MS).unref();
  return {
    count: (name, version) => add({ name, version, count: 1 }),
    async close() {
      clearInterval(timer);
      await flushNext();
    },
  };
}
