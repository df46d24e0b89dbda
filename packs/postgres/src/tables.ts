import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, textOf } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const tables = probe({
  description:
    "The largest tables of one PostgreSQL database: size of rows, indexes and large values, estimated rows, how they are " +
    "read and written. Sizes are as of the last vacuum or analyze, since asking for those of now would wait for locks.",
  params: t.object({
    database: t.optional(t.string({ maxLength: 63, description: "postgres when left out" })),
    limit: t.optional(t.integer({ minimum: 1, maximum: 200, description: "20 when left out" })),
  }),
  result: t.object({
    tables: t.array(
      t.object({
        table: t.string(),
        bytes: t.integer({ description: "of all three" }),
        heapBytes: t.integer(),
        indexBytes: t.integer(),
        toastBytes: t.integer({ description: "large values" }),
        rows: t.nullable(t.integer(), { description: "null: never vacuumed or analyzed" }),
        deadRows: t.integer(),
        sequentialScans: t.integer(),
        sequentialRows: t.integer({ description: "read by these" }),
        indexScans: t.integer(),
        inserted: t.integer(),
        updated: t.integer(),
        deleted: t.integer(),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: {
    largest: read(sources.largest, {
      with: { database: param("database", "postgres"), limit: param("limit", 20) },
    }),
  },
  run({ reads: { largest } }) {
    return {
      tables: largest.records.map((row) => {
        const number = (column: string): number => numberOf(row, column) ?? 0;
        const [heap, index, toast] = [
          ...[number("heap_bytes"), number("index_bytes"), number("toast_bytes")],
        ] as [number, number, number];
        const estimate = number("row_estimate");
        return {
          table: `${textOf(row, "nspname")}.${textOf(row, "relname")}`,
          bytes: heap + index + toast,
          heapBytes: heap,
          indexBytes: index,
          toastBytes: toast,
          rows: estimate < 0 ? null : estimate,
          deadRows: number("n_dead_tup"),
          sequentialScans: number("seq_scan"),
          sequentialRows: number("seq_tup_read"),
          indexScans: number("idx_scan"),
          inserted: number("n_tup_ins"),
          updated: number("n_tup_upd"),
          deleted: number("n_tup_del"),
        };
      }),
      incomplete: largest.truncated,
    };
  },
});
