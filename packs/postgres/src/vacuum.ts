import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { percentOf } from "./show.ts";
import * as sources from "./sources.ts";

export const vacuum = probe({
  description:
    "Whether PostgreSQL keeps up with dead rows: the tables of one database with the most of them, when each was vacuumed, " +
    "what keeps dead rows from being removed (old transactions, replication slots, prepared transactions), and vacuums that run.",
  params: t.object({
    database: t.optional(t.string({ maxLength: 63, description: "postgres when left out" })),
    limit: t.optional(t.integer({ minimum: 1, maximum: 200, description: "20 when left out" })),
  }),
  result: t.object({
    tables: t.array(
      t.object({
        table: t.string(),
        liveRows: t.integer({ description: "estimated, as all rows here" }),
        deadRows: t.integer(),
        deadPercent: t.nullable(t.number()),
        changedSinceAnalyze: t.integer(),
        vacuumedSecondsAgo: t.nullable(t.integer(), { description: "null: never counted" }),
        analyzedSecondsAgo: t.nullable(t.integer()),
        vacuumCount: t.integer({ description: "by hand and by autovacuum" }),
        xidAge: t.nullable(t.integer(), { description: "null of a partitioned table" }),
      }),
    ),
    holders: t.array(
      t.object({
        kind: t.string({ description: "session, slot, prepared transaction or replica" }),
        id: t.string({ description: "pid or name" }),
        transactionsSince: t.integer({ description: "dead rows of these stay" }),
        detail: t.string(),
        seconds: t.nullable(t.number()),
      }),
    ),
    running: t.array(
      t.object({
        pid: t.integer(),
        database: t.string(),
        relationId: t.integer(),
        phase: t.string(),
        scannedPercent: t.nullable(t.number()),
        indexPasses: t.integer({ description: "more than 1: too little maintenance_work_mem" }),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: {
    tables: read(sources.deadRows, {
      with: { database: param("database", "postgres"), limit: param("limit", 20) },
    }),
    holders: sources.holders,
    vacuums: sources.vacuums,
  },
  run({ reads: { tables, holders, vacuums } }) {
    return {
      tables: tables.records.map((row) => ({
        table: `${textOf(row, "schemaname")}.${textOf(row, "relname")}`,
        liveRows: numberOf(row, "n_live_tup") ?? 0,
        deadRows: numberOf(row, "n_dead_tup") ?? 0,
        deadPercent: percentOf(numberOf(row, "n_dead_tup"), numberOf(row, "n_live_tup")),
        changedSinceAnalyze: numberOf(row, "n_mod_since_analyze") ?? 0,
        vacuumedSecondsAgo: numberOf(row, "vacuumed_ago"),
        analyzedSecondsAgo: numberOf(row, "analyzed_ago"),
        vacuumCount:
          (numberOf(row, "vacuum_count") ?? 0) + (numberOf(row, "autovacuum_count") ?? 0),
        xidAge: numberOf(row, "xid_age"),
      })),
      holders: holders.records.map((row) => ({
        kind: textOf(row, "kind"),
        id: textOf(row, "id"),
        transactionsSince: numberOf(row, "rows_since") ?? 0,
        detail: textOf(row, "detail"),
        seconds: secondsOf(row, "seconds"),
      })),
      running: vacuums.records.map((row) => {
        const [all, done] = [numberOf(row, "heap_blks_total"), numberOf(row, "heap_blks_scanned")];
        return {
          pid: numberOf(row, "pid") ?? 0,
          database: textOf(row, "datname"),
          relationId: numberOf(row, "relid") ?? 0,
          phase: textOf(row, "phase"),
          scannedPercent: percentOf(done, (all ?? 0) - (done ?? 0)),
          indexPasses: numberOf(row, "index_vacuum_count") ?? 0,
        };
      }),
      incomplete: tables.truncated || holders.truncated || vacuums.truncated,
    };
  },
});
