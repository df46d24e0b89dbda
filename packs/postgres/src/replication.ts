import { probe, t } from "@sonde/pack-sdk/author";
import { numberOf, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { isTrue } from "./show.ts";
import { archiving, showArchiving, showSlot, slot } from "./show-wal.ts";
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
    slots: t.array(t.object(slot)),
    archiving: t.object(archiving),
    incomplete: t.boolean(),
  }),
  reads: { replicas: sources.replicas, slots: sources.slots, standby: sources.standby },
  run({ reads: { replicas, slots, standby } }) {
    const row = standby.records[0] ?? {};
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
      slots: slots.records.map(showSlot),
      archiving: showArchiving(row),
      incomplete: replicas.truncated || slots.truncated,
    };
  },
});
