/** For so long an answer of the registry is given again to whoever asks the same. */
const RECENT_MS = 3_000;
const MAX_ANSWERS = 50;

/** Answers of the registry, for a few seconds. */
export type RecentAnswers = {
  /** Asks, unless the same was asked a moment ago or is being asked. A failure is not kept. */
  get(question: string, ask: () => Promise<unknown>): Promise<unknown>;
};

/**
 * Keeps people who look at the same pack, or type a search, from asking the registry for each of them.
 *
 * @param elapsed in ms
 */
export function createRecentAnswers(elapsed: () => number): RecentAnswers {
  const kept = new Map<string, { at: number; answer: Promise<unknown> }>();
  return {
    async get(question, ask) {
      const known = kept.get(question);
      if (known !== undefined && elapsed() - known.at < RECENT_MS) return await known.answer;
      const asked = { at: elapsed(), answer: ask() };
      kept.delete(question);
      kept.set(question, asked);
      for (const [oldest] of kept) {
        if (kept.size <= MAX_ANSWERS) break;
        kept.delete(oldest);
      }
      try {
        return await asked.answer;
      } catch (thrown) {
        if (kept.get(question) === asked) kept.delete(question);
        throw thrown;
      }
    },
  };
}
