import { probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { pick, toCounters } from "./counters.ts";
import { percentOf, showStatement, statement } from "./show.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 10;
const PICOSECONDS_PER_MS = 1e9;

export const statements = probe({
  description:
    "The statements on which a MariaDB or MySQL server spends most of its time, by performance_schema, since it last began to " +
    "count: calls, total, mean and longest time, rows that were looked at for those that were sent, and missing indexes. Values are left out.",
  params: t.object({ limit: t.optional(t.integer({ minimum: 1, maximum: 100 })) }),
  result: t.object({
    statements: t.array(
      t.object({
        id: t.string({ description: "digest" }),
        database: t.nullable(t.string()),
        query: statement,
        calls: t.integer(),
        totalMs: t.number(),
        meanMs: t.number(),
        longestMs: t.number(),
        lockMs: t.number(),
        timePercent: t.nullable(t.number(), { description: "of all that the server counted" }),
        errors: t.integer(),
        rowsSent: t.integer(),
        rowsExamined: t.integer({ description: "many for few sent: an index is missing" }),
        rowsAffected: t.integer(),
        tempTablesOnDisk: t.integer(),
        callsWithoutIndex: t.integer(),
        lastSecondsAgo: t.nullable(t.number()),
      }),
    ),
    notCounted: t.nullable(t.string(), { description: "why the server counts no statements" }),
    incomplete: t.boolean({ description: "the rest took less time than these" }),
  }),
  reads: {
    server: sources.server,
    costly: sources.costly,
    mariadb: read(sources.countersMariadb, { optional: true }),
    mysql: read(sources.countersMysql, { optional: true }),
  },
  run({ params, reads: { server, costly, mariadb, mysql } }) {
    const version = textOf(server.records[0] ?? {}, "version");
    const isOn = toCounters(pick(version, mariadb, mysql)).isOn("performance_schema");
    const limit = params.limit ?? DEFAULT_LIMIT;
    return {
      statements: costly.records.slice(0, limit).map((row) => {
        const count = (column: string): number => numberOf(row, column) ?? 0;
        const [calls, total] = [count("count_star"), count("sum_timer_wait")];
        return {
          id: textOf(row, "digest"),
          database: row["schema_name"] ?? null,
          query: showStatement(textOf(row, "text")),
          calls,
          totalMs: toMs(total),
          meanMs: toMs(calls === 0 ? 0 : total / calls),
          longestMs: toMs(count("max_timer_wait")),
          lockMs: toMs(count("sum_lock_time")),
          timePercent: percentOf(total, count("all_time") - total),
          errors: count("sum_errors"),
          rowsSent: count("sum_rows_sent"),
          rowsExamined: count("sum_rows_examined"),
          rowsAffected: count("sum_rows_affected"),
          tempTablesOnDisk: count("sum_created_tmp_disk_tables"),
          callsWithoutIndex: count("sum_no_index_used"),
          lastSecondsAgo: secondsOf(row, "seen_ago"),
        };
      }),
      notCounted: isOn
        ? null
        : "performance_schema is off; performance_schema=ON in the section [mysqld] of the server's configuration and a restart turn it on",
      incomplete: costly.truncated || costly.records.length > limit,
    };
  },
});

function toMs(picoseconds: number): number {
  return Math.round((picoseconds / PICOSECONDS_PER_MS) * 1000) / 1000;
}
