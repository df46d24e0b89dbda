import { probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, textOf } from "@sonde/pack-sdk/parse";
import { isTrue, percentOf } from "./show.ts";
import * as sources from "./sources.ts";

export const overview = probe({
  description:
    "A PostgreSQL server at a glance: release, uptime, primary or standby, connections of how many, sessions by state, " +
    "the oldest transaction, and each database with size, cache hits, rollbacks, deadlocks and the age of its transaction ids.",
  result: t.object({
    version: t.string(),
    isStandby: t.boolean(),
    upSeconds: t.integer(),
    connections: t.integer({ description: "of clients, without this one" }),
    mostConnections: t.integer(),
    connectionsPercent: t.number({ description: "of what is not reserved for superusers" }),
    active: t.integer(),
    idleInTransaction: t.integer(),
    waitingForLocks: t.integer(),
    oldestTransactionSeconds: t.nullable(t.integer()),
    autovacuumOn: t.boolean(),
    settingsWaitingForRestart: t.integer(),
    databases: t.array(
      t.object({
        name: t.string(),
        bytes: t.nullable(t.integer(), { description: "null when it took too long to ask" }),
        connections: t.integer(),
        cacheHitPercent: t.nullable(t.number()),
        rollbackPercent: t.nullable(t.number()),
        deadlocks: t.integer({ description: "since countedSeconds" }),
        tempBytes: t.integer(),
        checksumFailures: t.nullable(t.integer()),
        countedSeconds: t.nullable(t.integer(), { description: "null: since the server was made" }),
        xidAge: t.integer({ description: "at 2,000,000,000 it stops writing" }),
        xidAgePerFreeze: t.number({
          description: "of autovacuum_freeze_max_age; above 1 it vacuums",
        }),
        multixactAge: t.integer(),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: {
    server: sources.server,
    databases: sources.databases,
    sizes: read(sources.databaseSizes, { optional: true }),
  },
  run({ reads: { server, databases, sizes } }) {
    const row = server.records[0] ?? {};
    const bytes = new Map(
      (sizes.ok ? sizes.records : []).map((one) => [one["name"], numberOf(one, "bytes")]),
    );
    const [most, reserved] = [
      numberOf(row, "most_connections") ?? 0,
      numberOf(row, "reserved") ?? 0,
    ];
    const connections = numberOf(row, "sessions") ?? 0;
    const freezeAge = numberOf(row, "freeze_age") ?? 0;
    return {
      version: textOf(row, "version"),
      isStandby: isTrue(row, "in_recovery"),
      upSeconds: numberOf(row, "up_seconds") ?? 0,
      connections,
      mostConnections: most,
      connectionsPercent: percentOf(connections, most - reserved - connections) ?? 0,
      active: numberOf(row, "active") ?? 0,
      idleInTransaction: numberOf(row, "idle_in_transaction") ?? 0,
      waitingForLocks: numberOf(row, "waiting_for_locks") ?? 0,
      oldestTransactionSeconds: numberOf(row, "oldest_seconds"),
      autovacuumOn: row["autovacuum"] === "on",
      settingsWaitingForRestart: numberOf(row, "waiting_for_restart") ?? 0,
      databases: databases.records.map((one) => {
        const xidAge = numberOf(one, "xid_age") ?? 0;
        return {
          name: textOf(one, "name"),
          bytes: bytes.get(one["name"]) ?? null,
          connections: numberOf(one, "numbackends") ?? 0,
          cacheHitPercent: percentOf(numberOf(one, "blks_hit"), numberOf(one, "blks_read")),
          rollbackPercent: percentOf(numberOf(one, "xact_rollback"), numberOf(one, "xact_commit")),
          deadlocks: numberOf(one, "deadlocks") ?? 0,
          tempBytes: numberOf(one, "temp_bytes") ?? 0,
          checksumFailures: numberOf(one, "checksum_failures"),
          countedSeconds: numberOf(one, "counted_seconds"),
          xidAge,
          xidAgePerFreeze: freezeAge === 0 ? 0 : Math.round((xidAge / freezeAge) * 1000) / 1000,
          multixactAge: numberOf(one, "multixact_age") ?? 0,
        };
      }),
      incomplete: databases.truncated || !sizes.ok || sizes.truncated,
    };
  },
});
