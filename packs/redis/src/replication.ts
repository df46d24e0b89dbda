import { probe, read, t } from "@sonde/pack-sdk/author";
import {
  type Info,
  countOf,
  listOf,
  numberOf,
  numberSetting,
  parseInfo,
  parsePairs,
} from "./show.ts";
import * as sources from "./sources.ts";

export const replication = probe({
  description:
    "Replication of a Redis server: its role; of a primary each replica, the one furthest behind first, with state, bytes and seconds behind; " +
    "of a replica its primary, whether the link is up, for how long it is down, and whether it synchronises anew.",
  result: t.object({
    role: t.string({ description: "primary or replica" }),
    offset: t.integer({ description: "bytes of the stream of changes so far" }),
    replicas: t.array(
      t.object({
        address: t.string(),
        state: t.string({ description: "online, wait_bgsave, send_bulk" }),
        behindBytes: t.integer(),
        lagSeconds: t.nullable(t.integer(), { description: "since its last word" }),
      }),
    ),
    replicasToWrite: t.nullable(t.integer(), {
      description: "with fewer good ones no write is taken; 0: not asked for; null: not told",
    }),
    primaries: t.array(
      t.object({
        address: t.string(),
        link: t.string({ description: "up or down" }),
        state: t.string({ description: "connect, connecting, sync, connected, handshake" }),
        downSeconds: t.nullable(t.integer(), { description: "null: it is up, or never was" }),
        silentSeconds: t.nullable(t.integer(), { description: "since the primary's last word" }),
        isSynchronising: t.boolean({ description: "takes all data anew" }),
        leftBytes: t.nullable(t.integer(), { description: "of that, still to come" }),
        isReadOnly: t.boolean({ description: "false: this replica takes writes of its own" }),
      }),
      { description: "the one that this server follows; none of a primary" },
    ),
    backlog: t.object({
      isOn: t.boolean(),
      bytes: t.integer(),
      keptBytes: t.integer({
        description: "a replica that was away for less than that need not take all anew",
      }),
    }),
    incomplete: t.boolean(),
  }),
  reads: {
    info: sources.replicationInfo,
    role: sources.role,
    least: read(sources.replicasToWrite, { optional: true }),
  },
  run({ reads: { info: look, role, least } }) {
    const info = parseInfo(look);
    const isReplica = info.get("role") === "slave";
    const offset = countOf(info, "master_repl_offset");
    return {
      role: isReplica ? "replica" : "primary",
      offset,
      replicas: readReplicas(info, offset),
      replicasToWrite: numberSetting(least, "min-replicas-to-write"),
      primaries: isReplica ? [readPrimary(info, listOf(role.reply))] : [],
      backlog: {
        isOn: info.get("repl_backlog_active") === "1",
        bytes: countOf(info, "repl_backlog_size"),
        keptBytes: countOf(info, "repl_backlog_histlen"),
      },
      incomplete: look.truncated || role.truncated || !least.ok,
    };
  },
});

function readReplicas(info: Info, offset: number) {
  return [...info]
    .filter(([name]) => /^slave\d+$/.test(name))
    .map(([, text]) => {
      const pairs = parsePairs(text);
      return {
        address: `${pairs.get("ip") ?? ""}:${pairs.get("port") ?? ""}`,
        state: pairs.get("state") ?? "",
        behindBytes: Math.max(0, offset - countOf(pairs, "offset")),
        lagSeconds: knownOf(pairs, "lag"),
      };
    })
    .toSorted((a, b) => b.behindBytes - a.behindBytes);
}

function readPrimary(info: Info, role: readonly unknown[]) {
  // ROLE of a replica: slave, host, port, state, offset.
  const state = role[0] === "slave" ? String(role[3]) : "";
  return {
    address: `${info.get("master_host") ?? ""}:${info.get("master_port") ?? ""}`,
    link: info.get("master_link_status") ?? "",
    state,
    downSeconds: knownOf(info, "master_link_down_since_seconds"),
    silentSeconds: knownOf(info, "master_last_io_seconds_ago"),
    isSynchronising: info.get("master_sync_in_progress") === "1",
    leftBytes: knownOf(info, "master_sync_left_bytes"),
    isReadOnly: info.get("slave_read_only") === "1",
  };
}

/** The server says -1 of what it does not know. */
function knownOf(info: Info, name: string): number | null {
  const value = numberOf(info, name);
  return value === null || value < 0 ? null : value;
}
