import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, textOf } from "@sonde/pack-sdk/parse";
import { isTrue } from "./show.ts";
import * as sources from "./sources.ts";

export const unusedIndexes = probe({
  description:
    "Indexes of one PostgreSQL database that nothing has read since counting began, and invalid ones, the largest first; " +
    "without those that a constraint needs. A standby counts for itself: an index may be read there alone.",
  params: t.object({
    database: t.optional(t.string({ maxLength: 63, description: "postgres when left out" })),
    limit: t.optional(t.integer({ minimum: 1, maximum: 200, description: "20 when left out" })),
  }),
  result: t.object({
    indexes: t.array(
      t.object({
        index: t.string(),
        table: t.string(),
        bytes: t.integer({ description: "as of the last vacuum or analyze" }),
        scans: t.integer(),
        isValid: t.boolean({
          description: "false: a CREATE INDEX CONCURRENTLY that failed or runs",
        }),
      }),
    ),
    countedSeconds: t.nullable(t.integer(), {
      description: "since counting began; null: since the database was made, or nothing was found",
    }),
    incomplete: t.boolean(),
  }),
  reads: {
    unused: read(sources.unusedIndexes, {
      with: { database: param("database", "postgres"), limit: param("limit", 20) },
    }),
  },
  run({ reads: { unused } }) {
    return {
      indexes: unused.records.map((row) => ({
        index: `${textOf(row, "schemaname")}.${textOf(row, "indexrelname")}`,
        table: textOf(row, "relname"),
        bytes: numberOf(row, "bytes") ?? 0,
        scans: numberOf(row, "idx_scan") ?? 0,
        isValid: isTrue(row, "indisvalid"),
      })),
      countedSeconds: numberOf(unused.records[0] ?? {}, "counted_seconds"),
      incomplete: unused.truncated,
    };
  },
});
