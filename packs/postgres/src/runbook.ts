import { runbook } from "@sonde/pack-sdk/author";

const who = ["pid", "user", "application", "database", "state", "transactionSeconds"];
const HOUR = 3600;

export const postgresRunbook = runbook({
  description:
    "Connections that run out, sessions that hold up others, old transactions, dead rows and transaction ids, replicas and slots behind, WAL that stays, archiving that fails.",
  probes: {
    server: { probe: "overview" },
    locks: { probe: "locks", params: { limit: 20 } },
    sessions: { probe: "activity", params: { limit: 100 } },
    vacuum: { probe: "vacuum", params: { limit: 50 } },
    replication: { probe: "replication" },
    wal: { probe: "wal" },
  },
  rules: [
    {
      finding: "Nearly all connections of the database server are taken.",
      ...{
        severity: "critical",
        of: "server",
        when: [{ value: "connectionsPercent", atLeast: 95 }],
      },
      show: ["connections", "mostConnections", "active", "idleInTransaction"],
      next: ["postgres_activity"],
    },
    {
      finding: "Many of the connections of the database server are taken.",
      ...{ severity: "warning", of: "server" },
      when: [
        { value: "connectionsPercent", atLeast: 80 },
        { value: "connectionsPercent", below: 95 },
      ],
      show: ["connections", "mostConnections", "active", "idleInTransaction"],
      next: ["postgres_activity"],
    },
    {
      finding: "One session holds up many others by its locks.",
      ...{ severity: "critical", of: "locks", each: "roots", show: [...who, "holdsUp"] },
      when: [{ value: "holdsUp", atLeast: 5 }],
      next: ["postgres_locks", "postgres_activity"],
    },
    {
      finding: "A session holds up another by its locks.",
      ...{ severity: "warning", of: "locks", each: "roots" },
      when: [
        { value: "holdsUp", below: 5 },
        { value: "longestWaitSeconds", atLeast: 5 },
      ],
      show: [...who, "holdsUp", "longestWaitSeconds"],
      next: ["postgres_locks"],
    },
    {
      finding: "A transaction is open and does nothing, for minutes.",
      ...{ severity: "warning", of: "sessions", each: "sessions", show: [...who, "stateSeconds"] },
      when: [
        { value: "state", oneOf: ["idle in transaction", "idle in transaction (aborted)"] },
        { value: "stateSeconds", atLeast: 300 },
      ],
      next: ["postgres_activity", "postgres_locks", "postgres_vacuum"],
    },
    {
      finding: "A statement has run for more than an hour.",
      ...{ severity: "info", of: "sessions", each: "sessions", show: [...who, "querySeconds"] },
      when: [
        { value: "state", oneOf: ["active"] },
        { value: "querySeconds", atLeast: HOUR },
      ],
      next: ["postgres_activity"],
    },
    {
      finding: "A database nears the age of transaction ids at which it stops writing.",
      ...{ severity: "critical", of: "server", each: "databases" },
      when: [{ value: "xidAge", atLeast: 1_000_000_000 }],
      show: ["name", "xidAge", "xidAgePerFreeze"],
      next: ["postgres_vacuum"],
    },
    {
      finding: "Autovacuum does not keep up with the age of a database's transaction ids.",
      ...{ severity: "warning", of: "server", each: "databases" },
      when: [
        { value: "xidAgePerFreeze", atLeast: 1.2 },
        { value: "xidAge", below: 1_000_000_000 },
      ],
      show: ["name", "xidAge", "xidAgePerFreeze"],
      next: ["postgres_vacuum"],
    },
    {
      finding: "Autovacuum is switched off.",
      ...{ severity: "warning", of: "server", when: [{ value: "autovacuumOn", is: false }] },
      show: ["version"],
      next: ["postgres_settings_changed", "postgres_vacuum"],
    },
    {
      finding: "A database has pages whose checksums are wrong.",
      ...{ severity: "critical", of: "server", each: "databases" },
      when: [{ value: "checksumFailures", atLeast: 1 }],
      show: ["name", "checksumFailures"],
      next: ["system_disk_io", "journal_kernel"],
    },
    {
      finding: "Much of a large table is dead rows.",
      ...{ severity: "warning", of: "vacuum", each: "tables" },
      when: [
        { value: "deadRows", atLeast: 100_000 },
        { value: "deadPercent", atLeast: 30 },
      ],
      show: ["table", "deadRows", "deadPercent", "vacuumedSecondsAgo"],
      next: ["postgres_vacuum", "postgres_tables"],
    },
    {
      finding: "Something old keeps dead rows from being removed.",
      ...{ severity: "warning", of: "vacuum", each: "holders" },
      when: [{ value: "transactionsSince", atLeast: 1_000_000 }],
      show: ["kind", "id", "transactionsSince", "detail", "seconds"],
      next: ["postgres_vacuum", "postgres_activity"],
    },
    {
      finding: "A transaction was prepared and never ended.",
      ...{ severity: "warning", of: "vacuum", each: "holders" },
      when: [
        { value: "kind", oneOf: ["prepared transaction"] },
        { value: "seconds", atLeast: HOUR },
      ],
      show: ["kind", "id", "seconds", "detail"],
      next: ["postgres_vacuum"],
    },
    {
      finding: "A replication slot that nobody reads keeps WAL on the disk.",
      ...{ severity: "warning", of: "replication", each: "slots" },
      when: [
        { value: "active", is: false },
        { value: "keptBytes", atLeast: 2 ** 30 },
      ],
      show: ["name", "type", "keptBytes", "walStatus"],
      next: ["postgres_wal", "system_disk_usage"],
    },
    {
      finding:
        "A replication slot that is read keeps much WAL on the disk: its reader is far behind.",
      ...{ severity: "warning", of: "replication", each: "slots" },
      when: [
        { value: "active", is: true },
        { value: "keptBytes", atLeast: 10 * 2 ** 30 },
      ],
      show: ["name", "type", "database", "keptBytes", "walStatus"],
      next: ["postgres_wal", "postgres_activity", "system_disk_usage"],
    },
    {
      finding: "A replication slot has lost WAL that it needs; its replica has to be made anew.",
      ...{ severity: "critical", of: "replication", each: "slots" },
      when: [{ value: "walStatus", oneOf: ["lost"] }],
      show: ["name", "type", "walStatus"],
      next: ["postgres_replication"],
    },
    {
      finding: "A replica is far behind.",
      ...{ severity: "warning", of: "replication", each: "replicas" },
      when: [{ value: "behindBytes", atLeast: 2 ** 30 }],
      show: ["name", "client", "state", "behindBytes", "lagSeconds"],
      next: ["postgres_replication"],
    },
    {
      finding: "Archiving of WAL fails, so WAL stays on the disk and backups end.",
      ...{
        severity: "critical",
        of: "wal",
        when: [{ value: "archiving.isFailing", is: true }],
      },
      show: [
        ...["archiving.lastFailed", "archiving.failedSecondsAgo", "archiving.archivedSecondsAgo"],
        ...["archiving.failedCount", "directory.waitingForArchive", "directory.bytes"],
      ],
      next: ["postgres_wal", "system_disk_usage"],
    },
    {
      finding: "Archiving of WAL does not keep up with what is written.",
      ...{ severity: "warning", of: "wal" },
      when: [
        { value: "archiving.isFailing", is: false },
        { value: "directory.waitingForArchive", atLeast: 100 },
      ],
      show: ["directory.waitingForArchive", "archiving.archivedSecondsAgo", "bytesPerSecond"],
      next: ["postgres_wal", "system_disk_usage"],
    },
    {
      finding: "Checkpoints come because much is written, and not by time: max_wal_size is small.",
      ...{ severity: "info", of: "wal" },
      when: [
        { value: "checkpoints.requested", atLeast: 20 },
        { value: "checkpoints.requestedPercent", atLeast: 50 },
      ],
      show: ["checkpoints.requested", "checkpoints.timed", "maxWalSizeBytes", "bytesPerSecond"],
      next: ["postgres_wal", "postgres_settings_changed"],
    },
    {
      finding: "Settings of the database server wait for a restart.",
      ...{ severity: "info", of: "server" },
      when: [{ value: "settingsWaitingForRestart", atLeast: 1 }],
      show: ["settingsWaitingForRestart"],
      next: ["postgres_settings_changed"],
    },
    {
      finding: "There are more sessions than were read.",
      ...{ severity: "unseen", of: "sessions", when: [{ value: "incomplete", is: true }] },
      show: ["sessionCount"],
    },
  ],
});
