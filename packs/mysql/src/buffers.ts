import { probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, textOf } from "@sonde/pack-sdk/parse";
import { pick, toCounters } from "./counters.ts";
import { percentOf } from "./show.ts";
import * as sources from "./sources.ts";

export const buffers = probe({
  description:
    "The memory of InnoDB at a MariaDB or MySQL server: size of the buffer pool, how much is used, changed and free, how often it " +
    "had a page and how often the disk was read, waits for free pages and for the log; the redo log; tables that are kept open.",
  result: t.object({
    pool: t.object({
      bytes: t.nullable(t.integer()),
      dataBytes: t.nullable(t.integer()),
      dirtyBytes: t.nullable(t.integer(), { description: "not yet written to their tables" }),
      freePercent: t.nullable(t.number()),
      hitPercent: t.nullable(t.number(), { description: "to thousandths, since the start" }),
      diskReads: t.nullable(t.integer(), { description: "since the start" }),
      diskReadsPerSecond: t.nullable(t.number(), { description: "on average since the start" }),
      waitsForFree: t.nullable(t.integer(), { description: "above 0: it is too small" }),
      instances: t.array(
        t.object({
          id: t.integer(),
          pages: t.integer(),
          freePages: t.integer(),
          dirtyPages: t.integer(),
          pendingReads: t.integer(),
          recentHitPercent: t.nullable(t.number(), {
            description: "since somebody last asked; null when nothing was read",
          }),
        }),
      ),
    }),
    redo: t.object({
      capacityBytes: t.nullable(t.integer()),
      waitsForBuffer: t.nullable(t.integer(), { description: "innodb_log_buffer_size is small" }),
      writtenBytes: t.nullable(t.integer(), { description: "since the start" }),
      usedPercent: t.nullable(t.number(), {
        description: "of what is written before it has to flush; null when not counted",
      }),
    }),
    tables: t.object({
      open: t.nullable(t.integer()),
      mostOpen: t.nullable(t.integer(), { description: "table_open_cache" }),
      openedPerSecond: t.nullable(t.number(), { description: "on average since the start" }),
    }),
    incomplete: t.boolean(),
  }),
  reads: {
    server: sources.server,
    mariadb: read(sources.countersMariadb, { optional: true }),
    mysql: read(sources.countersMysql, { optional: true }),
    pools: sources.pools,
  },
  run({ reads: { server, mariadb, mysql, pools } }) {
    const version = textOf(server.records[0] ?? {}, "version");
    const { number } = toCounters(pick(version, mariadb, mysql));
    const [total, free] = [
      number("innodb_buffer_pool_pages_total"),
      number("innodb_buffer_pool_pages_free"),
    ];
    const [requests, reads] = [
      number("innodb_buffer_pool_read_requests"),
      number("innodb_buffer_pool_reads"),
    ];
    const [age, mostAge] = [number("innodb_checkpoint_age"), number("innodb_checkpoint_max_age")];
    const perSecond = (count: number | null): number | null => {
      const up = number("uptime");
      return count === null || up === null || up === 0 ? null : Math.round((count / up) * 10) / 10;
    };
    return {
      pool: {
        bytes: number("innodb_buffer_pool_size"),
        dataBytes: number("innodb_buffer_pool_bytes_data"),
        dirtyBytes: number("innodb_buffer_pool_bytes_dirty"),
        freePercent: percentOf(free, (total ?? 0) - (free ?? 0)),
        hitPercent:
          requests === null || reads === null || requests === 0
            ? null
            : Math.round(Math.max(0, 1 - reads / requests) * 100_000) / 1000,
        diskReads: reads,
        diskReadsPerSecond: perSecond(reads),
        waitsForFree: number("innodb_buffer_pool_wait_free"),
        instances: pools.records.map((row) => ({
          id: numberOf(row, "pool_id") ?? 0,
          pages: numberOf(row, "pool_size") ?? 0,
          freePages: numberOf(row, "free_buffers") ?? 0,
          dirtyPages: numberOf(row, "modified_database_pages") ?? 0,
          pendingReads: numberOf(row, "pending_reads") ?? 0,
          recentHitPercent: hitPercentOf(numberOf(row, "hit_rate")),
        })),
      },
      redo: {
        capacityBytes: number("innodb_redo_log_capacity") ?? number("innodb_log_file_size"),
        waitsForBuffer: number("innodb_log_waits"),
        writtenBytes: number("innodb_os_log_written"),
        usedPercent: age === null || mostAge === null ? null : percentOf(age, mostAge - age),
      },
      tables: {
        open: number("open_tables"),
        mostOpen: number("table_open_cache"),
        openedPerSecond: perSecond(number("opened_tables")),
      },
      incomplete: pools.truncated,
    };
  },
});

/** The server has it in thousandths, and 0 when nothing was read. */
function hitPercentOf(thousandths: number | null): number | null {
  return thousandths === null || thousandths === 0 ? null : thousandths / 10;
}
