import { probe, t } from "@sonde/pack-sdk/author";
import { numberOf } from "@sonde/pack-sdk/parse";
import { session, showSession } from "./session.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const activity = probe({
  description:
    "Sessions at a MariaDB or MySQL server, the oldest transaction first, then the longest in their state: what each does or " +
    "waits for and its statement without values; and how many there are by state, user and database.",
  params: t.object({
    state: t.optional(t.enumOf(["active", "idle", "idle in transaction"])),
    limit: t.optional(t.integer({ minimum: 1, maximum: 100 })),
  }),
  result: t.object({
    sessions: t.array(
      t.object({
        ...session,
        rowsLocked: t.nullable(t.integer(), { description: "about, by its transaction" }),
        rowsModified: t.nullable(t.integer(), { description: "by its transaction" }),
      }),
    ),
    counts: t.array(
      t.object({
        state: t.string(),
        user: t.string(),
        database: t.nullable(t.string()),
        count: t.integer(),
      }),
    ),
    sessionCount: t.integer({ description: "that fit, before the limit" }),
    incomplete: t.boolean({ description: "there were more sessions than were read" }),
  }),
  reads: { sessions: sources.sessions },
  run({ params, reads: { sessions } }) {
    const wanted = sessions.records
      .map((row) => ({
        ...showSession(row),
        rowsLocked: numberOf(row, "trx_rows_locked"),
        rowsModified: numberOf(row, "trx_rows_modified"),
      }))
      .filter(({ state }) => params.state === undefined || state === params.state);
    return {
      sessions: wanted.slice(0, params.limit ?? DEFAULT_LIMIT),
      counts: count(wanted),
      sessionCount: wanted.length,
      incomplete: sessions.truncated,
    };
  },
});

type Group = { state: string; user: string; database: string | null };

function count(rows: readonly Group[]) {
  const counts = new Map<string, Group & { count: number }>();
  for (const { state, user, database } of rows) {
    const key = JSON.stringify([state, user, database]);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { state, user, database, count: 1 });
    else known.count += 1;
  }
  return [...counts.values()].toSorted((a, b) => b.count - a.count);
}
