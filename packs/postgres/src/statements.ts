import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, textOf } from "@sonde/pack-sdk/parse";
import { percentOf, showStatement, statement } from "./show.ts";
import * as sources from "./sources.ts";

export const statements = probe({
  description:
    "The statements on which a PostgreSQL server spends most of its time, by the extension pg_stat_statements, " +
    "since it last began to count: calls, total and mean time, rows, cache hits. Values are left out.",
  params: t.object({
    database: t.optional(
      t.string({
        maxLength: 63,
        description: "one that has the extension; postgres when left out",
      }),
    ),
    limit: t.optional(t.integer({ minimum: 1, maximum: 200, description: "10 when left out" })),
  }),
  result: t.object({
    statements: t.array(
      t.object({
        id: t.string({ description: "queryid" }),
        database: t.string(),
        query: statement,
        calls: t.integer(),
        totalMs: t.number(),
        meanMs: t.number(),
        timePercent: t.nullable(t.number(), { description: "of all that the extension counted" }),
        rows: t.integer(),
        cacheHitPercent: t.nullable(t.number()),
        tempBlocksWritten: t.integer({ description: "of 8 KiB: work_mem was too small" }),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: {
    costly: read(sources.costly, {
      with: { database: param("database", "postgres"), limit: param("limit", 10) },
    }),
  },
  run({ reads: { costly } }) {
    return {
      statements: costly.records.map((row) => {
        const total = numberOf(row, "total_exec_time") ?? 0;
        return {
          id: textOf(row, "queryid"),
          database: textOf(row, "datname"),
          query: showStatement(textOf(row, "query")),
          calls: numberOf(row, "calls") ?? 0,
          totalMs: Math.round(total * 10) / 10,
          meanMs: Math.round((numberOf(row, "mean_exec_time") ?? 0) * 1000) / 1000,
          timePercent: percentOf(total, (numberOf(row, "all_exec_time") ?? 0) - total),
          rows: numberOf(row, "rows") ?? 0,
          cacheHitPercent: percentOf(
            numberOf(row, "shared_blks_hit"),
            numberOf(row, "shared_blks_read"),
          ),
          tempBlocksWritten: numberOf(row, "temp_blks_written") ?? 0,
        };
      }),
      incomplete: costly.truncated,
    };
  },
});
