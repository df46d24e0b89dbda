const WINDOW_MS = 60_000;
const PER_ADDRESS = 5;
const GLOBAL = 100;
const MAX_ADDRESSES = 10_000;

/** Counts enrolment attempts per address and in all (identity rule 1). In memory, one process. */
export type AttemptLimiter = {
  /** @returns false when the attempt must be refused */
  take(address: string): boolean;
};

/** @param now Unix time in ms */
export function createAttemptLimiter(now: () => number): AttemptLimiter {
  let windowStart = 0;
  let total = 0;
  let counts = new Map<string, number>();
  return {
    take(address) {
      if (now() - windowStart >= WINDOW_MS) {
        windowStart = now();
        total = 0;
        counts = new Map();
      }
      const count = (counts.get(address) ?? 0) + 1;
      if (counts.size < MAX_ADDRESSES || counts.has(address)) counts.set(address, count);
      total += 1;
      return count <= PER_ADDRESS && total <= GLOBAL && counts.has(address);
    },
  };
}
