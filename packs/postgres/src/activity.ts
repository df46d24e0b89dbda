import { probe, t } from "@sonde/pack-sdk/author";
import { numberOf } from "@sonde/pack-sdk/parse";
import { session, showSession } from "./session.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const activity = probe({
  description:
    "Sessions at a PostgreSQL server, the oldest transaction first, each with its state, what it waits for " +
    "and its statement without values; and how many there are by state, user and database.",
  params: t.object({
    state: t.optional(t.enumOf(["active", "idle", "idle in transaction"])),
    limit: t.optional(t.integer({ minimum: 1, maximum: 100 })),
  }),
  result: t.object({
    sessions: t.array(
      t.object({
        ...session,
        xminAge: t.nullable(t.integer(), {
          description: "transactions that began since; their dead rows stay",
        }),
      }),
    ),
    counts: t.array(
      t.object({
        state: t.string(),
        user: t.string(),
        database: t.string(),
        count: t.integer(),
      }),
    ),
    sessionCount: t.integer({ description: "that fit, before the limit" }),
    incomplete: t.boolean({ description: "there were more sessions than were read" }),
  }),
  reads: { sessions: sources.sessions },
  run({ params, reads: { sessions } }) {
    const wanted = sessions.records.filter(
      (row) => params.state === undefined || (row["state"] ?? "").startsWith(params.state),
    );
    return {
      sessions: wanted
        .slice(0, params.limit ?? DEFAULT_LIMIT)
        .map((row) => ({ ...showSession(row), xminAge: numberOf(row, "xmin_age") })),
      counts: count(wanted.map(showSession)),
      sessionCount: wanted.length,
      incomplete: sessions.truncated,
    };
  },
});

function count(rows: readonly { state: string; user: string; database: string }[]) {
  const counts = new Map<
    string,
    { state: string; user: string; database: string; count: number }
  >();
  for (const { state, user, database } of rows) {
    const key = JSON.stringify([state, user, database]);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { state, user, database, count: 1 });
    else known.count += 1;
  }
  return [...counts.values()].toSorted((a, b) => b.count - a.count);
}
