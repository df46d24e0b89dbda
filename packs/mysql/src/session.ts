import { t } from "@sonde/pack-sdk/author";
import { numberOf, type Row, secondsOf, textOf } from "@sonde/pack-sdk/parse";
import { clientOf, showStatement, statement } from "./show.ts";

export const session = {
  id: t.integer({ description: "of the connection, as KILL takes it" }),
  user: t.string(),
  client: t.nullable(t.string(), { description: "address; null over the unix socket" }),
  database: t.nullable(t.string()),
  state: t.string({ description: "active, idle, idle in transaction" }),
  step: t.string({ description: "what it does or waits for, in the server's words" }),
  stateSeconds: t.nullable(t.integer(), { description: "in its present command, or idle" }),
  transactionSeconds: t.nullable(t.number(), { description: "since its transaction began" }),
  query: statement,
};

export function showSession(row: Row) {
  return {
    id: numberOf(row, "id") ?? 0,
    user: textOf(row, "user"),
    client: clientOf(textOf(row, "host")),
    database: row["db"] ?? null,
    state: stateOf(row),
    step: textOf(row, "state"),
    stateSeconds: numberOf(row, "time"),
    transactionSeconds: secondsOf(row, "transaction_seconds"),
    query: showStatement(textOf(row, "info")),
  };
}

/** The server has a transaction only from its first table of InnoDB on. */
function stateOf(row: Row): string {
  if (textOf(row, "command") !== "Sleep") return "active";
  return textOf(row, "trx_state") === "" ? "idle" : "idle in transaction";
}
