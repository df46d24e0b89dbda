import { probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { isMariadb, pick, toCounters } from "./counters.ts";
import { percentOf } from "./show.ts";
import * as sources from "./sources.ts";

export const overview = probe({
  description:
    "A MariaDB or MySQL server at a glance: release, uptime, connections of how many, running statements, waits for locks, " +
    "the oldest transaction, slow statements, refused connections, deadlocks, and whether it counts statements and writes safely.",
  result: t.object({
    version: t.string(),
    product: t.string({ description: "MariaDB or MySQL" }),
    upSeconds: t.nullable(t.integer()),
    readOnly: t.boolean(),
    connections: t.integer({ description: "of clients, without this one" }),
    mostConnections: t.integer(),
    connectionsPercent: t.number(),
    mostUsedConnections: t.nullable(t.integer(), { description: "at once, since the start" }),
    active: t.integer({ description: "clients with a running statement" }),
    waitingForRowLocks: t.integer(),
    waitingForTableLocks: t.integer(),
    oldestTransactionSeconds: t.nullable(t.number()),
    undoEntries: t.nullable(t.integer(), {
      description: "old versions of rows that an old transaction keeps; null when not counted",
    }),
    sinceStart: t.object({
      statementsPerSecond: t.nullable(t.number()),
      slowStatements: t.nullable(t.integer(), { description: "longer than slowSeconds" }),
      slowSeconds: t.nullable(t.number()),
      refusedConnections: t.nullable(t.integer(), { description: "all were taken" }),
      failedLogins: t.nullable(t.integer(), { description: "and other connects that broke off" }),
      brokenOffClients: t.nullable(t.integer()),
      rowLockWaits: t.nullable(t.integer()),
      deadlocks: t.nullable(t.integer(), { description: "null when not counted" }),
      tempTablesOnDiskPercent: t.nullable(t.number()),
    }),
    countsStatements: t.boolean({ description: "performance_schema is on" }),
    slowLogOn: t.boolean(),
    binlogOn: t.boolean(),
    flushesEachCommit: t.boolean({
      description: "innodb_flush_log_at_trx_commit is 1; else a crash loses the last second",
    }),
    syncsBinlog: t.nullable(t.boolean(), { description: "sync_binlog is 1; null without one" }),
  }),
  reads: {
    server: sources.server,
    mariadb: read(sources.countersMariadb, { optional: true }),
    mysql: read(sources.countersMysql, { optional: true }),
  },
  run({ reads: { server, mariadb, mysql } }) {
    const row = server.records[0] ?? {};
    const version = textOf(row, "version");
    const { number, text, isOn } = toCounters(pick(version, mariadb, mysql));
    const connections = numberOf(row, "sessions") ?? 0;
    const most = number("max_connections") ?? 0;
    const [up, onDisk] = [number("uptime"), number("created_tmp_disk_tables")];
    const inMemory = (number("created_tmp_tables") ?? 0) - (onDisk ?? 0);
    const asked = number("questions");
    return {
      version,
      product: isMariadb(version) ? "MariaDB" : "MySQL",
      upSeconds: up,
      readOnly: isOn("read_only"),
      connections,
      mostConnections: most,
      connectionsPercent: percentOf(connections, most - connections) ?? 0,
      mostUsedConnections: number("max_used_connections"),
      active: numberOf(row, "active") ?? 0,
      waitingForRowLocks: numberOf(row, "waiting_for_row_locks") ?? 0,
      waitingForTableLocks: numberOf(row, "waiting_for_table_locks") ?? 0,
      oldestTransactionSeconds: secondsOf(row, "oldest_seconds"),
      undoEntries: number("innodb_history_list_length"),
      sinceStart: {
        statementsPerSecond:
          asked === null || up === null || up === 0 ? null : Math.round((asked / up) * 10) / 10,
        slowStatements: number("slow_queries"),
        slowSeconds: number("long_query_time"),
        refusedConnections: number("connection_errors_max_connections"),
        failedLogins: number("aborted_connects"),
        brokenOffClients: number("aborted_clients"),
        rowLockWaits: number("innodb_row_lock_waits"),
        deadlocks: number("innodb_deadlocks"),
        tempTablesOnDiskPercent: percentOf(onDisk, inMemory),
      },
      countsStatements: isOn("performance_schema"),
      slowLogOn: isOn("slow_query_log"),
      binlogOn: isOn("log_bin"),
      flushesEachCommit: text("innodb_flush_log_at_trx_commit") === "1",
      syncsBinlog: isOn("log_bin") ? text("sync_binlog") === "1" : null,
    };
  },
});
