import { probe, t } from "@sonde/pack-sdk/author";
import { isTrue, numberOf, secondsOf, textOf } from "./show.ts";
import * as sources from "./sources.ts";

export const replication = probe({
  description:
    "Replication of a PostgreSQL server: each replica that is connected and how far it is behind, each slot and how much " +
    "WAL it keeps, how far this server is behind if it is a standby, and whether WAL is archived.",
  result: t.object({
    isStandby: t.boolean(),
    notReplayedBytes: t.nullable(t.integer(), {
      description: "of a standby: received, not applied",
    }),
    replayedSecondsAgo: t.nullable(t.number(), {
      description: "of a standby: the last transaction; grows also when the primary is idle",
    }),
    replicas: t.array(
      t.object({
        name: t.string({ description: "application_name" }),
        client: t.nullable(t.string()),
        state: t.string({ description: "streaming, catchup, startup, backup" }),
        sync: t.string({ description: "async, sync, quorum, potential" }),
        behindBytes: t.nullable(t.integer(), { description: "not yet applied" }),
        lagSeconds: t.nullable(t.number(), { description: "null when it has caught up" }),
      }),
    ),
    slots: t.array(
      t.object({
        name: t.string(),
        type: t.string(),
        database: t.nullable(t.string()),
        active: t.boolean(),
        walStatus: t.nullable(t.string(), {
          description: "reserved, extended, unreserved, lost",
        }),
        keptBytes: t.nullable(t.integer(), { description: "of WAL, on this server's disk" }),
      }),
    ),
    archiving: t.object({
      mode: t.string({ description: "off, on, always" }),
      archivedCount: t.integer(),
      failedCount: t.integer(),
      archivedSecondsAgo: t.nullable(t.integer()),
      failedSecondsAgo: t.nullable(t.integer()),
      isFailing: t.boolean({ description: "the last attempt failed" }),
    }),
    incomplete: t.boolean(),
  }),
  reads: { replicas: sources.replicas, slots: sources.slots, standby: sources.standby },
  run({ reads: { replicas, slots, standby } }) {
    const row = standby.records[0] ?? {};
    const [archived, failed] = [numberOf(row, "archived_ago"), numberOf(row, "failed_ago")];
    return {
      isStandby: isTrue(row, "in_recovery"),
      notReplayedBytes: numberOf(row, "not_replayed_bytes"),
      replayedSecondsAgo: secondsOf(row, "replayed_ago"),
      replicas: replicas.records.map((one) => ({
        name: textOf(one, "application_name"),
        client: one["client"] ?? null,
        state: textOf(one, "state"),
        sync: textOf(one, "sync_state"),
        behindBytes: numberOf(one, "behind_bytes"),
        lagSeconds: secondsOf(one, "lag_seconds"),
      })),
      slots: slots.records.map((one) => ({
        name: textOf(one, "name"),
        type: textOf(one, "slot_type"),
        database: one["database"] ?? null,
        active: isTrue(one, "active"),
        walStatus: one["wal_status"] ?? null,
        keptBytes: numberOf(one, "kept_bytes"),
      })),
      archiving: {
        mode: textOf(row, "archive_mode"),
        archivedCount: numberOf(row, "archived_count") ?? 0,
        failedCount: numberOf(row, "failed_count") ?? 0,
        archivedSecondsAgo: archived,
        failedSecondsAgo: failed,
        isFailing: failed !== null && (archived === null || failed < archived),
      },
      incomplete: replicas.truncated || slots.truncated,
    };
  },
});
