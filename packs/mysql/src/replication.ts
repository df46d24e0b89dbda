import { probe, read, t } from "@sonde/pack-sdk/author";
import { numberOf, type Row, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { isMariadb, pick, toCounters } from "./counters.ts";
import { clientOf } from "./show.ts";
import * as sources from "./sources.ts";

const MOST_CHARACTERS = 300;

export const replication = probe({
  description:
    "Replication of a MariaDB or MySQL server: how far it is behind each source that it follows, whether reading and applying run " +
    "and the error that stopped them; the replicas that are connected to it; and how much its binary logs take.",
  result: t.object({
    readOnly: t.boolean(),
    sources: t.array(
      t.object({
        name: t.string({ description: "connection or channel; empty for the default" }),
        host: t.string(),
        port: t.nullable(t.integer()),
        reads: t.string({ description: "Yes, No, Connecting" }),
        applies: t.boolean(),
        behindSeconds: t.nullable(t.integer(), { description: "null when it does not run" }),
        readErrorNumber: t.integer(),
        readError: t.string({ description: "cut" }),
        applyErrorNumber: t.integer({
          description: "0 is none; its text has values of rows and stays on the host",
        }),
        relayLogBytes: t.nullable(t.integer()),
        step: t.string({ description: "in the server's words" }),
      }),
    ),
    sourcesNotRead: t.nullable(t.string(), {
      description: "why the server does not say whom it follows",
    }),
    replicas: t.array(
      t.object({
        id: t.integer(),
        user: t.string(),
        client: t.nullable(t.string()),
        seconds: t.nullable(t.integer(), { description: "since it connected" }),
        step: t.string(),
      }),
    ),
    binlog: t.object({
      on: t.boolean(),
      files: t.nullable(t.integer()),
      bytes: t.nullable(t.integer(), { description: "of those that were read" }),
    }),
    incomplete: t.boolean(),
  }),
  reads: {
    server: sources.server,
    mariadb: read(sources.replicaMariadb, { optional: true }),
    mysql: read(sources.replicaMysql, { optional: true }),
    replicas: sources.replicas,
    binlogs: read(sources.binlogs, { optional: true }),
    countersMariadb: read(sources.countersMariadb, { optional: true }),
    countersMysql: read(sources.countersMysql, { optional: true }),
  },
  run({ reads: { server, mariadb, mysql, replicas, binlogs, ...counted } }) {
    const version = textOf(server.records[0] ?? {}, "version");
    const counters = toCounters(pick(version, counted.countersMariadb, counted.countersMysql));
    const logs = binlogs.ok ? binlogs.records : null;
    const on = counters.isOn("log_bin");
    const chosen = isMariadb(version) ? mariadb : mysql;
    return {
      readOnly: counters.isOn("read_only"),
      sources: (chosen.ok ? chosen.records : [])
        .map(showSource)
        .toSorted((a, b) => badness(b) - badness(a)),
      sourcesNotRead: chosen.ok ? null : `${chosen.failure.code}: ${chosen.failure.message}`,
      replicas: replicas.records.map((row) => ({
        id: numberOf(row, "id") ?? 0,
        user: textOf(row, "user"),
        client: clientOf(textOf(row, "host")),
        seconds: numberOf(row, "time"),
        step: textOf(row, "state"),
      })),
      binlog: {
        on,
        files: logs?.length ?? null,
        bytes: logs?.reduce((sum, row) => sum + (numberOf(row, "File_size") ?? 0), 0) ?? null,
      },
      incomplete:
        replicas.truncated ||
        !chosen.ok ||
        chosen.truncated ||
        (binlogs.ok ? binlogs.truncated : on),
    };
  },
});

/** MariaDB has the old words, MySQL the new ones. */
function either(row: Row, before: string, since: string): string {
  return row[before] ?? row[since] ?? "";
}

function showSource(row: Row) {
  const number = (before: string, since = before): number | null => {
    const text = either(row, before, since);
    return text === "" ? null : numberOf({ it: text }, "it");
  };
  return {
    name: either(row, "Connection_name", "Channel_Name"),
    host: either(row, "Master_Host", "Source_Host"),
    port: number("Master_Port", "Source_Port"),
    reads: either(row, "Slave_IO_Running", "Replica_IO_Running"),
    applies: either(row, "Slave_SQL_Running", "Replica_SQL_Running") === "Yes",
    behindSeconds: number("Seconds_Behind_Master", "Seconds_Behind_Source"),
    readErrorNumber: number("Last_IO_Errno") ?? 0,
    readError: textOf(row, "Last_IO_Error").slice(0, MOST_CHARACTERS),
    applyErrorNumber: number("Last_SQL_Errno") ?? 0,
    relayLogBytes: number("Relay_Log_Space"),
    step: either(row, "Slave_SQL_State", "Replica_SQL_Running_State"),
  };
}

/** One that does not run is worse than any that is behind. */
function badness({ reads, applies, behindSeconds }: ReturnType<typeof showSource>): number {
  return reads === "Yes" && applies
    ? (secondsOf({ it: String(behindSeconds ?? 0) }, "it") ?? 0)
    : Infinity;
}
