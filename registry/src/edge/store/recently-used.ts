/** An LRU cache bounded by total weight, for values that never change. */
export type RecentlyUsed<V> = {
  get(key: string): V | undefined;
  set(key: string, value: V, weight: number): void;
};

export function createRecentlyUsed<V>(maxWeight: number): RecentlyUsed<V> {
  // In order of use: the first entry is the least recently used.
  const kept = new Map<string, { value: V; weight: number }>();
  let total = 0;
  const remove = (key: string): void => {
    total -= kept.get(key)?.weight ?? 0;
    kept.delete(key);
  };
  return {
    get(key) {
      const entry = kept.get(key);
      if (entry === undefined) return undefined;
      kept.delete(key);
      kept.set(key, entry);
      return entry.value;
    },
    set(key, value, weight) {
      remove(key);
      kept.set(key, { value, weight });
      total += weight;
      for (const [oldest] of kept) {
        if (total <= maxWeight) return;
        remove(oldest);
      }
    },
  };
}
