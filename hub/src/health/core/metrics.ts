/** One value of a family, by its labels. */
export type Sample = { labels: Readonly<Record<string, string>>; value: number };

/** What is told of one thing, in the words of Prometheus. Durations are in seconds. */
export type Family = {
  name: string;
  help: string;
  type: "counter" | "gauge" | "histogram";
  /** Of a histogram, with the names `_bucket`, `_sum` and `_count`. */
  samples: readonly (Sample & { suffix?: string })[];
};

/** Counts by labels. What is counted once is told until the hub ends. */
export type Counter = {
  add(labels: Readonly<Record<string, string>>): void;
  read(): Family;
};

/** Counts durations by one label. */
export type Histogram = {
  /** @param seconds how long it took */
  observe(label: string, seconds: number): void;
  read(): Family;
};

/** What stands for all further values of a label. */
export const OTHERS = "others";

/**
 * @param maxSeries how many combinations of labels are told. All further ones are counted together,
 *   under `others`: each combination is memory here and in whatever scrapes, for ever.
 */
export function createCounter(name: string, help: string, maxSeries: number): Counter {
  const samples = new Map<string, { labels: Readonly<Record<string, string>>; value: number }>();
  const find = (labels: Readonly<Record<string, string>>) => {
    const key = JSON.stringify(labels);
    let found = samples.get(key);
    if (found === undefined && samples.size < maxSeries) {
      found = { labels, value: 0 };
      samples.set(key, found);
    }
    return found;
  };
  let others: { labels: Readonly<Record<string, string>>; value: number } | null = null;
  return {
    add(labels) {
      const found =
        find(labels) ??
        (others ??= {
          labels: Object.fromEntries(Object.keys(labels).map((label) => [label, OTHERS])),
          value: 0,
        });
      found.value += 1;
    },
    read: () => ({
      ...{ name, help, type: "counter" },
      samples: [...samples.values(), ...(others === null ? [] : [others])],
    }),
  };
}

/** Upper bounds in seconds. A call of files takes some milliseconds; an answer is given within 40 s. */
const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 40];

/** @param maxSeries as of a counter */
export function createHistogram(
  { name, help, label }: { name: string; help: string; label: string },
  maxSeries: number,
): Histogram {
  const series = new Map<string, { counts: number[]; sum: number; count: number }>();
  return {
    observe(value, seconds) {
      const key = series.has(value) || series.size < maxSeries ? value : OTHERS;
      let found = series.get(key);
      if (found === undefined) {
        found = { counts: BOUNDS.map(() => 0), sum: 0, count: 0 };
        series.set(key, found);
      }
      const at = BOUNDS.findIndex((bound) => seconds <= bound);
      if (at >= 0) found.counts[at] = (found.counts[at] ?? 0) + 1;
      found.sum += seconds;
      found.count += 1;
    },
    read: () => ({
      ...{ name, help, type: "histogram" },
      samples: [...series].flatMap(([value, { counts, sum, count }]) => {
        let below = 0;
        return [
          ...BOUNDS.map((bound, index) => ({
            ...{ suffix: "_bucket", labels: { [label]: value, le: String(bound) } },
            value: (below += counts[index] ?? 0),
          })),
          { suffix: "_bucket", labels: { [label]: value, le: "+Inf" }, value: count },
          { suffix: "_sum", labels: { [label]: value }, value: sum },
          { suffix: "_count", labels: { [label]: value }, value: count },
        ];
      }),
    }),
  };
}
