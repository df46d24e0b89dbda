import { probe, read, t } from "@sonde/pack-sdk/author";
import {
  type Info,
  countOf,
  numberOf,
  parseInfo,
  parsePairs,
  percentOf,
  roundTo,
  secondsSince,
  settingOf,
} from "./show.ts";
import * as sources from "./sources.ts";

const MOST_ERRORS = 20;
const ERROR = "errorstat_";

export const overview = probe({
  description:
    "A Redis server at a glance: release, role, uptime, memory against its limit, clients, commands a second, cache hits, evicted keys, " +
    "whether saving to disk works, keys by database, and the errors that it gave. Takes a second. Begin here.",
  result: t.object({
    version: t.string(),
    mode: t.string({ description: "standalone, cluster, sentinel" }),
    role: t.string({ description: "primary or replica" }),
    upSeconds: t.integer({ description: "counts without a rate are since then" }),
    isLoading: t.boolean({ description: "reads its data, and answers little else" }),
    usedBytes: t.integer(),
    maxMemoryBytes: t.nullable(t.integer(), { description: "null: no limit" }),
    limitPercent: t.number({ description: "used, of the limit; 0 without one" }),
    evictionPolicy: t.string({ description: "noeviction: at the limit writes fail" }),
    clients: t.integer({ description: "connected; at least one is this look's own" }),
    mostClients: t.nullable(t.integer()),
    clientsPercent: t.number(),
    blockedClients: t.integer({ description: "in BLPOP, XREAD and the like" }),
    rejectedConnections: t.integer({ description: "the most clients were connected" }),
    rejectedPerSecond: t.number({ description: "between two looks, as the other rates" }),
    commandsPerSecond: t.number({ description: "without this look's own" }),
    hitPercent: t.nullable(t.number(), { description: "of keys looked up; null: none was" }),
    evictedKeys: t.integer(),
    evictedPerSecond: t.number(),
    expiredKeys: t.integer(),
    persistence: t.object({
      isOn: t.nullable(t.boolean(), {
        description: "by snapshots or the append-only file; null: not told",
      }),
      savePoints: t.nullable(t.string(), {
        description: "SECONDS CHANGES pairs; empty: no snapshots; null: not told",
      }),
      isSaveFailing: t.boolean({ description: "the last snapshot failed" }),
      lastSaveSecondsAgo: t.integer({ description: "of the last good snapshot, or the start" }),
      unsavedChanges: t.integer({ description: "since then" }),
      isAppendOn: t.boolean(),
      isAppendFailing: t.boolean({ description: "the last write to the append-only file failed" }),
      isRewriteFailing: t.boolean({ description: "its last rewrite failed" }),
    }),
    keys: t.integer(),
    databases: t.array(t.object({ name: t.string(), keys: t.integer(), expiring: t.integer() }), {
      description: "most keys first",
    }),
    errors: t.array(t.object({ error: t.string(), count: t.integer() }), {
      description: "answers that were errors, by their first word; most first",
    }),
    incomplete: t.boolean({ description: "something could not be read" }),
  }),
  reads: {
    looks: sources.counters,
    save: read(sources.savePoints, { optional: true }),
  },
  run({ reads: { looks, save }, now }) {
    const [first, last] = looks.samples;
    const [before, info] = [parseInfo(first), parseInfo(last)];
    const seconds = (last.at - first.at) / 1000;
    // The first look is a command that came before the second one was counted.
    const rateOf = (name: string, own = 0): number =>
      seconds <= 0
        ? 0
        : roundTo(Math.max(0, countOf(info, name) - countOf(before, name) - own) / seconds, 1);
    const [hits, misses] = [countOf(info, "keyspace_hits"), countOf(info, "keyspace_misses")];
    const [used, most] = [countOf(info, "used_memory"), numberOf(info, "maxmemory") ?? 0];
    const counted = used - (numberOf(info, "mem_not_counted_for_evict") ?? 0);
    const [clients, mostClients] = [
      countOf(info, "connected_clients"),
      numberOf(info, "maxclients"),
    ];
    const databases = readDatabases(info);
    return {
      version: info.get("redis_version") ?? "",
      mode: info.get("redis_mode") ?? "",
      role: info.get("role") === "slave" ? "replica" : "primary",
      upSeconds: countOf(info, "uptime_in_seconds"),
      isLoading: info.get("loading") === "1",
      usedBytes: used,
      maxMemoryBytes: most === 0 ? null : most,
      limitPercent: percentOf(counted, most),
      evictionPolicy: info.get("maxmemory_policy") ?? "",
      clients,
      mostClients,
      clientsPercent: percentOf(clients, mostClients ?? 0),
      blockedClients: countOf(info, "blocked_clients"),
      rejectedConnections: countOf(info, "rejected_connections"),
      rejectedPerSecond: rateOf("rejected_connections"),
      commandsPerSecond: rateOf("total_commands_processed", 1),
      hitPercent: hits + misses === 0 ? null : percentOf(hits, hits + misses),
      evictedKeys: countOf(info, "evicted_keys"),
      evictedPerSecond: rateOf("evicted_keys"),
      expiredKeys: countOf(info, "expired_keys"),
      persistence: readPersistence(info, settingOf(save), now),
      keys: databases.reduce((sum, { keys }) => sum + keys, 0),
      databases,
      errors: readErrors(info),
      incomplete: last.truncated || !save.ok,
    };
  },
});

function readPersistence(info: Info, savePoints: string | null, now: number) {
  const isAppendOn = info.get("aof_enabled") === "1";
  return {
    isOn: isAppendOn || (savePoints === null ? null : savePoints !== ""),
    savePoints,
    isSaveFailing: isFailing(info, "rdb_last_bgsave_status"),
    lastSaveSecondsAgo: secondsSince(countOf(info, "rdb_last_save_time"), now),
    unsavedChanges: countOf(info, "rdb_changes_since_last_save"),
    isAppendOn,
    isAppendFailing: isAppendOn && isFailing(info, "aof_last_write_status"),
    isRewriteFailing: isAppendOn && isFailing(info, "aof_last_bgrewrite_status"),
  };
}

const isFailing = (info: Info, name: string): boolean => (info.get(name) ?? "ok") !== "ok";

function readDatabases(info: Info) {
  return [...info]
    .filter(([name]) => /^db\d+$/.test(name))
    .map(([name, text]) => {
      const pairs = parsePairs(text);
      return { name, keys: countOf(pairs, "keys"), expiring: countOf(pairs, "expires") };
    })
    .toSorted((a, b) => b.keys - a.keys);
}

function readErrors(info: Info) {
  return [...info]
    .flatMap(([name, text]) => {
      const [, count] = /^count=(\d+)$/.exec(text) ?? [];
      if (!name.startsWith(ERROR) || count === undefined) return [];
      return [{ error: name.slice(ERROR.length), count: Number(count) }];
    })
    .toSorted((a, b) => b.count - a.count)
    .slice(0, MOST_ERRORS);
}
