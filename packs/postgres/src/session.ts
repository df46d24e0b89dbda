import { t } from "@sonde/pack-sdk/author";
import { numberOf, type Row, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { showStatement, statement } from "./show.ts";

export const session = {
  pid: t.integer(),
  kind: t.string({ description: "client backend, autovacuum worker ..." }),
  database: t.string(),
  user: t.string(),
  application: t.string({ description: "as the client calls itself" }),
  client: t.nullable(t.string(), { description: "address; null over the unix socket" }),
  state: t.string({ description: "active, idle, idle in transaction ..." }),
  wait: t.nullable(t.string(), { description: "what it waits for" }),
  transactionSeconds: t.nullable(t.number(), { description: "since its transaction began" }),
  querySeconds: t.nullable(t.number(), { description: "since its last statement began" }),
  stateSeconds: t.nullable(t.number()),
  query: statement,
};

export function showSession(row: Row) {
  const [type, event] = [textOf(row, "wait_event_type"), textOf(row, "wait_event")];
  return {
    pid: numberOf(row, "pid") ?? 0,
    kind: textOf(row, "backend_type"),
    database: textOf(row, "datname"),
    user: textOf(row, "usename"),
    application: textOf(row, "application_name"),
    client: row["client"] ?? null,
    state: textOf(row, "state"),
    wait: type === "" ? null : `${type}: ${event}`,
    transactionSeconds: secondsOf(row, "transaction_seconds"),
    querySeconds: secondsOf(row, "query_seconds"),
    stateSeconds: secondsOf(row, "state_seconds"),
    query: showStatement(textOf(row, "query")),
  };
}
