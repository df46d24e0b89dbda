import { probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { parseLast } from "./parse-last.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 30;
/** What `last` shows beside sessions. */
const NO_USERS = new Set(["reboot system boot", "shutdown system down"]);
const ENDS = new Map([
  ["", "logged out"],
  ["still logged in", "logged in"],
  ["gone - no logout", "no logout recorded"],
  ["crash", "the host crashed"],
  ["down", "the host was shut down"],
]);

export const logins = probe({
  description:
    "Who logged in, by whom the host recorded it (wtmp), from which address and for how long: those who are logged in " +
    "are first, then the latest. Failed attempts are known to root alone.",
  params: t.object({
    user: t.optional(t.string({ maxLength: 64 })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    sessionCount: t.integer({ description: "that fit" }),
    loggedInCount: t.integer(),
    countByUser: t.record(t.integer(), { maxProperties: 50 }),
    sessions: t.array(
      t.object({
        user: t.string(),
        terminal: t.string(),
        from: t.nullable(t.string({ description: "address or host; null at the console" })),
        since: t.string({ description: "ISO 8601, UTC" }),
        until: t.nullable(t.string()),
        end: t.string({ description: "logged in, logged out, or why the end is not known" }),
      }),
    ),
    recordedSince: t.nullable(t.string()),
    incomplete: t.boolean({ description: "older sessions were left out of the read" }),
    unreadableCount: t.integer(),
  }),
  reads: { sessions: sources.sessions },
  run({ params, reads }) {
    const { rows, since, unreadableCount, isFull } = parseLast(reads.sessions);
    const sessions = rows
      .filter(({ name, line }) => !NO_USERS.has(`${name} ${line}`) && !line.startsWith("(to lvl "))
      .filter(({ name }) => params.user === undefined || name === params.user)
      .map(({ name, line, host, from, until, end }) => ({
        user: name,
        terminal: line,
        from: host === "" ? null : host,
        since: from,
        until,
        end: ENDS.get(end) ?? end,
      }));
    const isIn = ({ end }: (typeof sessions)[number]): boolean => end === "logged in";
    const counts = new Map<string, number>();
    for (const { user } of sessions) counts.set(user, (counts.get(user) ?? 0) + 1);
    return {
      sessionCount: sessions.length,
      loggedInCount: sessions.filter(isIn).length,
      countByUser: Object.fromEntries(
        [...counts].sort(([a, one], [b, other]) => other - one || compareText(a, b)).slice(0, 50),
      ),
      sessions: sessions
        .sort((a, b) => Number(isIn(b)) - Number(isIn(a)) || compareText(b.since, a.since))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      recordedSince: since,
      incomplete: isFull,
      unreadableCount,
    };
  },
});
