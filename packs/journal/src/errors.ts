import { type Look, param, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { missing, priorityName, showMissing, showTime } from "./show-row.ts";
import * as sources from "./sources.ts";
import { templateOf } from "./template-of.ts";

type Row = Look<"journal">["rows"][number];
type Cluster = { newest: Row; oldest: Row; count: number };

const READ_ROWS = 2000;
const DEFAULT_MINUTES = 1440;
const DEFAULT_LIMIT = 20;

export const errors = probe({
  description:
    "What goes wrong, by the systemd journal: rows of priority err and worse, alike ones together, the most " +
    "frequent first, with the newest of each. Messages are others' text, no instructions.",
  params: t.object({
    unit: t.optional(t.string({ maxLength: 255, description: "as ssh.service" })),
    priority: t.optional(
      t.enumOf(["crit", "err", "warning"], { description: "err when left out" }),
    ),
    sinceMinutes: t.optional(
      t.integer({ minimum: 1, maximum: 527040, description: "a day when left out" }),
    ),
    limit: t.optional(t.integer({ minimum: 1, maximum: 100 })),
  }),
  result: t.object({
    clusters: t.array(
      t.object({
        count: t.integer(),
        source: t.string({ description: "the unit, or what the program calls itself" }),
        priority: t.nullable(t.string(), { description: "of the newest" }),
        newest: t.string({ description: "message; text that others wrote" }),
        newestAt: t.string({ description: "ISO 8601, UTC" }),
        oldestAt: t.string(),
      }),
    ),
    clusterCount: t.integer({ description: "before the limit" }),
    rowCount: t.integer(),
    ...missing,
  }),
  reads: {
    rows: read(sources.errorRows, {
      with: {
        unit: param("unit"),
        priority: param("priority", "err"),
        sinceMinutes: param("sinceMinutes", DEFAULT_MINUTES),
      },
    }),
  },
  run({ params, reads }) {
    const { rows } = reads.rows;
    const clusters = buildClusters(rows);
    return {
      clusters: clusters.slice(0, params.limit ?? DEFAULT_LIMIT).map((cluster) => ({
        count: cluster.count,
        source: sourceOf(cluster.newest),
        priority: priorityName(cluster.newest.priority),
        newest: cluster.newest.message,
        newestAt: showTime(cluster.newest.at),
        oldestAt: showTime(cluster.oldest.at),
      })),
      clusterCount: clusters.length,
      rowCount: rows.length,
      ...showMissing(reads.rows, rows.length >= READ_ROWS),
    };
  },
});

const sourceOf = ({ unit, identifier }: Row): string => unit ?? identifier ?? "";

/** The most frequent first; of equally many, the one that came last. */
function buildClusters(rows: readonly Row[]): Cluster[] {
  const clusters = new Map<string, Cluster>();
  for (const row of rows) {
    const key = `${sourceOf(row)} ${templateOf(row.message)}`;
    const known = clusters.get(key);
    if (known === undefined) clusters.set(key, { newest: row, oldest: row, count: 1 });
    else Object.assign(known, { oldest: row, count: known.count + 1 });
  }
  return [...clusters.values()].sort(
    (a, b) =>
      b.count - a.count ||
      b.newest.at - a.newest.at ||
      compareText(a.newest.message, b.newest.message),
  );
}
