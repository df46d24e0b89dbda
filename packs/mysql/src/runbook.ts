import { runbook } from "@sonde/pack-sdk/author";

const who = ["id", "user", "client", "database", "state", "transactionSeconds"];
const HOUR = 3600;

export const mysqlRunbook = runbook({
  description:
    "Connections that run out or are refused, sessions that hold up others, old transactions, replication that stopped or is behind, memory that is too small.",
  probes: {
    server: { probe: "overview" },
    locks: { probe: "locks", params: { limit: 20 } },
    sessions: { probe: "activity", params: { limit: 100 } },
    statements: { probe: "statements", params: { limit: 20 } },
    replication: { probe: "replication" },
    buffers: { probe: "buffers" },
  },
  rules: [
    {
      finding: "Nearly all connections of the database server are taken.",
      ...{ severity: "critical", of: "server" },
      when: [{ value: "connectionsPercent", atLeast: 95 }],
      show: ["connections", "mostConnections", "active"],
      next: ["mysql_activity"],
    },
    {
      finding: "Many of the connections of the database server are taken.",
      ...{ severity: "warning", of: "server" },
      when: [
        { value: "connectionsPercent", atLeast: 80 },
        { value: "connectionsPercent", below: 95 },
      ],
      show: ["connections", "mostConnections", "active"],
      next: ["mysql_activity"],
    },
    {
      finding: "The database server has refused connections, as all were taken.",
      ...{ severity: "warning", of: "server" },
      when: [{ value: "sinceStart.refusedConnections", atLeast: 1 }],
      show: [
        "sinceStart.refusedConnections",
        "mostConnections",
        "mostUsedConnections",
        "upSeconds",
      ],
      next: ["mysql_overview", "mysql_activity"],
    },
    {
      finding: "One session holds up many others by its locks.",
      ...{ severity: "critical", of: "locks", each: "roots", show: [...who, "holdsUp"] },
      when: [{ value: "holdsUp", atLeast: 5 }],
      next: ["mysql_locks", "mysql_activity"],
    },
    {
      finding: "A session holds up another by its locks.",
      ...{ severity: "warning", of: "locks", each: "roots" },
      when: [
        { value: "holdsUp", below: 5 },
        { value: "longestWaitSeconds", atLeast: 5 },
      ],
      show: [...who, "holdsUp", "longestWaitSeconds"],
      next: ["mysql_locks"],
    },
    {
      finding: "A transaction is open and does nothing, for minutes.",
      ...{ severity: "warning", of: "sessions", each: "sessions", show: [...who, "stateSeconds"] },
      when: [
        { value: "state", oneOf: ["idle in transaction"] },
        { value: "stateSeconds", atLeast: 300 },
      ],
      next: ["mysql_activity", "mysql_locks"],
    },
    {
      finding: "A statement has run for more than an hour.",
      ...{ severity: "info", of: "sessions", each: "sessions", show: [...who, "stateSeconds"] },
      when: [
        { value: "state", oneOf: ["active"] },
        { value: "stateSeconds", atLeast: HOUR },
        { value: "transactionSeconds", atLeast: HOUR },
      ],
      next: ["mysql_activity"],
    },
    {
      finding: "Old versions of rows pile up, as an old transaction may still read them.",
      ...{ severity: "warning", of: "server" },
      when: [{ value: "undoEntries", atLeast: 1_000_000 }],
      show: ["undoEntries", "oldestTransactionSeconds"],
      next: ["mysql_activity"],
    },
    {
      finding: "A statement that is often called and takes long uses no index.",
      ...{ severity: "info", of: "statements", each: "statements" },
      when: [
        { value: "callsWithoutIndex", atLeast: 100 },
        { value: "meanMs", atLeast: 100 },
      ],
      show: ["id", "database", "query", "callsWithoutIndex", "meanMs", "timePercent"],
      next: ["mysql_statements"],
    },
    {
      finding: "This server no longer gets changes from the server that it follows.",
      ...{ severity: "critical", of: "replication", each: "sources" },
      when: [{ value: "reads", oneOf: ["No", "Connecting"] }],
      show: ["name", "host", "port", "reads", "readErrorNumber", "readError"],
      next: ["mysql_replication", "network_reach"],
    },
    {
      finding: "This server no longer applies changes of the server that it follows.",
      ...{ severity: "critical", of: "replication", each: "sources" },
      when: [{ value: "applies", is: false }],
      show: ["name", "host", "applyErrorNumber", "step"],
      next: ["mysql_replication"],
    },
    {
      finding: "This server is minutes behind the server that it follows.",
      ...{ severity: "warning", of: "replication", each: "sources" },
      when: [{ value: "behindSeconds", atLeast: 300 }],
      show: ["name", "host", "behindSeconds", "relayLogBytes", "step"],
      next: ["mysql_replication", "mysql_activity"],
    },
    {
      finding:
        "Statements wait for free pages: the buffer pool is too small, or the disk too slow.",
      ...{ severity: "warning", of: "buffers" },
      when: [{ value: "pool.waitsForFree", atLeast: 1 }],
      show: ["pool.waitsForFree", "pool.bytes", "pool.hitPercent"],
      next: ["mysql_buffers", "system_disk_io"],
    },
    {
      finding: "Many pages are read from the disk, as the buffer pool does not have them.",
      ...{ severity: "info", of: "buffers" },
      when: [
        { value: "pool.hitPercent", below: 95 },
        { value: "pool.diskReadsPerSecond", atLeast: 100 },
      ],
      show: ["pool.hitPercent", "pool.diskReadsPerSecond", "pool.bytes"],
      next: ["mysql_buffers", "mysql_statements"],
    },
    {
      finding: "The redo log is nearly full, so statements wait until pages are written.",
      ...{ severity: "warning", of: "buffers", when: [{ value: "redo.usedPercent", atLeast: 90 }] },
      show: ["redo.usedPercent", "redo.capacityBytes", "pool.dirtyBytes"],
      next: ["mysql_buffers", "system_disk_io"],
    },
    {
      finding: "A commit is not on the disk when the server confirms it.",
      ...{ severity: "info", of: "server", when: [{ value: "flushesEachCommit", is: false }] },
      show: ["flushesEachCommit", "syncsBinlog"],
      next: ["mysql_overview"],
    },
    {
      finding: "The server does not count its statements.",
      ...{ severity: "unseen", of: "server", when: [{ value: "countsStatements", is: false }] },
      show: ["countsStatements", "product"],
      next: ["mysql_statements"],
    },
    {
      finding: "The server does not say whom it follows.",
      ...{ severity: "unseen", of: "replication", when: [{ value: "incomplete", is: true }] },
      show: ["sourcesNotRead"],
      next: ["mysql_replication"],
    },
    {
      finding: "There are more sessions than were read.",
      ...{ severity: "unseen", of: "sessions", when: [{ value: "incomplete", is: true }] },
      show: ["sessionCount"],
    },
  ],
});
