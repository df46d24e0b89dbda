import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseNumber, splitWords } from "@sonde/pack-sdk/parse";
import { type Info, numberOf, numberSetting, percentOf, wholeLines } from "./show.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;
const MOST_GROUPS = 20;
const KINDS = ["normal", "pubsub", "replica", "primary", "monitor"] as const;

export const clients = probe({
  description:
    "Who is connected to a Redis server, those with the most memory first: address, name, user, last command, how long idle, " +
    "whether blocked, buffers; and how many by host, user and name. Never keys or values.",
  params: t.object({
    kind: t.optional(t.enumOf(KINDS)),
    blocked: t.optional(t.boolean({ description: "only those that wait in a blocking command" })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 200, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    clients: t.array(
      t.object({
        id: t.integer(),
        address: t.string({ description: "of a unix socket its path and :0" }),
        name: t.string({ description: "as the client calls itself" }),
        user: t.string(),
        kind: t.string({ description: KINDS.join(", ") }),
        isBlocked: t.boolean(),
        lastCommand: t.string(),
        ageSeconds: t.integer(),
        idleSeconds: t.integer({ description: "of a blocked one how long it waits" }),
        database: t.integer(),
        subscriptions: t.integer({ description: "channels, patterns and shard channels" }),
        queuedCommands: t.nullable(t.integer(), { description: "in MULTI; null: not in one" }),
        memoryBytes: t.nullable(t.integer(), { description: "null: of a release before 6.2" }),
        inputBufferBytes: t.integer(),
        outputBufferBytes: t.integer({ description: "answers that it has not taken yet" }),
      }),
    ),
    groups: t.array(
      t.object({ host: t.string(), user: t.string(), name: t.string(), count: t.integer() }),
      { description: "of those that fit, most first" },
    ),
    matchCount: t.integer({ description: "that fit, before the limit" }),
    clientCount: t.integer({ description: "some are this call's own" }),
    blockedCount: t.integer(),
    monitorCount: t.integer({ description: "see every command of everybody, and slow the server" }),
    mostClients: t.nullable(t.integer()),
    clientsPercent: t.number(),
    unreadableCount: t.integer({ description: "lines of another form" }),
    incomplete: t.boolean({ description: "there are more clients than were read" }),
  }),
  reads: {
    list: sources.connections,
    most: read(sources.mostClients, { optional: true }),
  },
  run({ params, reads: { list, most } }) {
    const told = wholeLines(list).map(readClient);
    const all = told.filter((one) => one !== null);
    const wanted = all.filter(
      ({ kind, isBlocked }) =>
        (params.kind === undefined || kind === params.kind) &&
        (params.blocked !== true || isBlocked),
    );
    const mostClients = numberSetting(most, "maxclients");
    return {
      clients: wanted
        .toSorted((a, b) => weightOf(b) - weightOf(a) || b.idleSeconds - a.idleSeconds)
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      groups: countGroups(wanted),
      matchCount: wanted.length,
      clientCount: all.length,
      blockedCount: all.filter(({ isBlocked }) => isBlocked).length,
      monitorCount: all.filter(({ kind }) => kind === "monitor").length,
      mostClients,
      clientsPercent: percentOf(all.length, mostClients ?? 0),
      unreadableCount: told.length - all.length,
      incomplete: list.truncated,
    };
  },
});

type Client = NonNullable<ReturnType<typeof readClient>>;

const weightOf = ({ memoryBytes, outputBufferBytes }: Client): number =>
  memoryBytes ?? outputBufferBytes;

/** A line of CLIENT LIST, or null for one of another form. */
function readClient(line: string) {
  const info: Info = new Map(
    splitWords(line).map((word) => {
      const at = word.indexOf("=");
      return [word.slice(0, Math.max(0, at)), word.slice(at + 1)];
    }),
  );
  const text = (name: string): string => info.get(name) ?? "";
  const number = (name: string): number => numberOf(info, name) ?? 0;
  if (!/^\d+$/.test(text("id")) || !info.has("cmd")) return null;
  const multi = number("multi");
  return {
    id: parseNumber(text("id"), "id"),
    address: text("addr"),
    name: text("name"),
    user: text("user"),
    kind: kindOf(text("flags"), number("sub") + number("psub") + number("ssub")),
    isBlocked: text("flags").includes("b"),
    lastCommand: text("cmd").replace("|", " "),
    ageSeconds: number("age"),
    idleSeconds: number("idle"),
    database: number("db"),
    subscriptions: number("sub") + number("psub") + number("ssub"),
    queuedCommands: multi < 0 ? null : multi,
    memoryBytes: numberOf(info, "tot-mem"),
    inputBufferBytes: number("qbuf"),
    outputBufferBytes: number("obl") + number("omem"),
  };
}

/** By the flags of CLIENT LIST: O has sent MONITOR, and is a replica to the server too. */
function kindOf(flags: string, subscriptions: number): (typeof KINDS)[number] {
  if (flags.includes("O")) return "monitor";
  if (flags.includes("S")) return "replica";
  if (flags.includes("M")) return "primary";
  return subscriptions > 0 || flags.includes("P") ? "pubsub" : "normal";
}

function countGroups(found: readonly Client[]) {
  const counts = new Map<string, { host: string; user: string; name: string; count: number }>();
  for (const { address, user, name } of found) {
    const host = address.replace(/:\d+$/, "");
    const key = JSON.stringify([host, user, name]);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { host, user, name, count: 1 });
    else known.count += 1;
  }
  return [...counts.values()].toSorted((a, b) => b.count - a.count).slice(0, MOST_GROUPS);
}
