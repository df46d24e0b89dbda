import { probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, type Row, textOf } from "@sonde/pack-sdk/parse";
import { isTrue, percentOf } from "./show.ts";
import { archiving, showArchiving, showSlot, slot } from "./show-wal.ts";
import * as sources from "./sources.ts";

export const wal = probe({
  description:
    "The WAL of a PostgreSQL server: how much is written each second now and on average, the size of pg_wal, what keeps it " +
    "there (slots, archiving that fails or is behind), and whether checkpoints come by time or because much was written.",
  result: t.object({
    isStandby: t.boolean(),
    level: t.string({ description: "minimal, replica, logical" }),
    bytesPerSecond: t.nullable(t.number(), {
      description: "between two looks a second apart; of a standby what arrives",
    }),
    counted: t.object({
      seconds: t.nullable(t.integer(), { description: "null: since the server was made" }),
      bytes: t.integer({ description: "by this server" }),
      bytesPerSecond: t.nullable(t.number()),
      records: t.integer(),
      fullPageImages: t.integer({ description: "whole pages, written after each checkpoint" }),
      buffersFull: t.integer({ description: "above 0: wal_buffers is small" }),
    }),
    directory: t.nullable(
      t.object({
        bytes: t.integer(),
        fileCount: t.integer(),
        waitingForArchive: t.integer({ description: "files that were not archived yet" }),
        percentOfMaxWalSize: t.nullable(t.number(), {
          description: "far above 100: something keeps WAL",
        }),
      }),
      { description: "pg_wal; null when the role may not list it" },
    ),
    maxWalSizeBytes: t.nullable(t.integer()),
    walKeepSizeBytes: t.nullable(t.integer()),
    maxSlotWalKeepSizeBytes: t.nullable(t.integer(), {
      description: "null: a slot may fill the disk",
    }),
    checkpoints: t.object({
      timed: t.nullable(t.integer()),
      requested: t.nullable(t.integer(), {
        description: "as much as max_wal_size was written, or by hand",
      }),
      requestedPercent: t.nullable(t.number()),
      countedSeconds: t.nullable(t.integer()),
      timeoutSeconds: t.integer(),
    }),
    archiving: t.object({
      ...archiving,
      lastArchived: t.nullable(t.string({ description: "a file of WAL" })),
      lastFailed: t.nullable(t.string()),
    }),
    slots: t.array(t.object(slot), { description: "the one that keeps most first" }),
    incomplete: t.boolean(),
  }),
  reads: {
    looks: sources.walPosition,
    counts: sources.walCounts,
    checkpoints: read(sources.checkpoints, { optional: true }),
    files: read(sources.walFiles, { optional: true }),
    slots: sources.slots,
    standby: sources.standby,
  },
  run({ reads: { looks, counts, checkpoints, files, slots, standby } }) {
    const [before, after] = looks.samples.map(({ records }) => records[0] ?? {}) as [Row, Row];
    const row = counts.records[0] ?? {};
    const [bytes, seconds] = [numberOf(row, "wal_bytes") ?? 0, numberOf(row, "counted_seconds")];
    const most = numberOf(row, "most_bytes");
    const archiver = standby.records[0] ?? {};
    return {
      isStandby: isTrue(after, "in_recovery"),
      level: textOf(row, "wal_level"),
      bytesPerSecond: perSecond(
        minus(numberOf(after, "position"), numberOf(before, "position")),
        minus(numberOf(after, "at"), numberOf(before, "at")),
      ),
      counted: {
        ...{ seconds, bytes, bytesPerSecond: perSecond(bytes, seconds) },
        records: numberOf(row, "wal_records") ?? 0,
        fullPageImages: numberOf(row, "wal_fpi") ?? 0,
        buffersFull: numberOf(row, "wal_buffers_full") ?? 0,
      },
      directory: files.ok ? showDirectory(files.records[0] ?? {}, most) : null,
      maxWalSizeBytes: most,
      walKeepSizeBytes: numberOf(row, "keep_bytes"),
      maxSlotWalKeepSizeBytes: numberOf(row, "most_slot_bytes"),
      checkpoints: {
        ...showCheckpoints(checkpoints.ok ? (checkpoints.records[0] ?? {}) : row),
        timeoutSeconds: numberOf(row, "checkpoint_seconds") ?? 0,
      },
      archiving: {
        ...showArchiving(archiver),
        lastArchived: archiver["last_archived_wal"] ?? null,
        lastFailed: archiver["last_failed_wal"] ?? null,
      },
      slots: slots.records
        .map(showSlot)
        .sort((a, b) => (b.keptBytes ?? 0) - (a.keptBytes ?? 0) || (a.name < b.name ? -1 : 1)),
      incomplete:
        slots.truncated ||
        !files.ok ||
        // A release before 17 has them in the counts.
        (!checkpoints.ok && checkpoints.failure.code !== "SOURCE_NOT_FOUND"),
    };
  },
});

function showDirectory(row: Row, most: number | null) {
  const bytes = numberOf(row, "bytes") ?? 0;
  return {
    bytes,
    fileCount: numberOf(row, "files") ?? 0,
    waitingForArchive: numberOf(row, "unarchived") ?? 0,
    percentOfMaxWalSize: most === null ? null : percentOf(bytes, most - bytes),
  };
}

function showCheckpoints(row: Row) {
  const [timed, requested] = [numberOf(row, "num_timed"), numberOf(row, "num_requested")];
  return {
    ...{ timed, requested },
    // Of none it is none.
    requestedPercent: requested === null ? null : (percentOf(requested, timed) ?? 0),
    countedSeconds: numberOf(row, "checkpoints_counted_seconds"),
  };
}

function minus(later: number | null, earlier: number | null): number | null {
  return later === null || earlier === null ? null : later - earlier;
}

/** To tenths. */
function perSecond(amount: number | null, seconds: number | null): number | null {
  if (amount === null || seconds === null || seconds <= 0) return null;
  return Math.round((Math.max(0, amount) / seconds) * 10) / 10;
}
