import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, members, parseJson, splitLines } from "@sonde/pack-sdk/parse";
import { shortId, text } from "./parse-answer.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;
const DEFAULT_MINUTES = 60;
const HEALTH = ["healthy", "unhealthy", "starting"];

type Event = {
  at: string | null;
  type: string;
  action: string;
  name: string;
  id: string;
  image: string;
  exitCode: number | null;
};

export const events = probe({
  description:
    "What a container engine did in the last minutes: starts, ends with exit codes, kills for want of memory, changes of " +
    "health, pulls and removals, the newest first; and each container with how often it ended, the worst first.",
  params: t.object({
    minutes: t.optional(
      t.integer({ minimum: 1, maximum: 10080, description: `${DEFAULT_MINUTES} when left out` }),
    ),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    containers: t.array(
      t.object({
        name: t.string({ description: "text that others chose" }),
        image: t.string(),
        startCount: t.integer(),
        endCount: t.integer(),
        lastExitCode: t.nullable(t.integer()),
        outOfMemoryCount: t.integer({ description: "of its processes; Podman does not tell" }),
        unhealthyCount: t.integer({ description: "changes to unhealthy" }),
        lastHealth: t.nullable(t.string()),
      }),
    ),
    containerCount: t.integer({ description: "that did something, before the limit" }),
    events: t.array(
      t.object({
        at: t.nullable(t.string()),
        type: t.string({ description: "container, image, network, volume ..." }),
        action: t.string({ description: "without what a command was" }),
        name: t.string(),
        id: t.string(),
        image: t.string(),
        exitCode: t.nullable(t.integer()),
      }),
    ),
    eventCount: t.integer({ description: "before the limit, without those of checks within" }),
    incomplete: t.boolean({ description: "older ones were left out, or some not understood" }),
  }),
  reads: {
    answer: read(sources.events, { with: { minutes: param("minutes", DEFAULT_MINUTES) } }),
  },
  run({ params, reads: { answer } }) {
    const told = splitLines(answer.body).map(readEvent);
    const shown = told.flatMap((event) =>
      // A health check that runs in a container is three of them, all the time.
      event === null || event.action.startsWith("exec_") ? [] : [event],
    );
    const newest = shown.toReversed().sort((a, b) => compareText(b.at ?? "", a.at ?? ""));
    const containers = countContainers(newest);
    const limit = params.limit ?? DEFAULT_LIMIT;
    return {
      containers: containers.slice(0, limit),
      containerCount: containers.length,
      events: newest.slice(0, limit),
      eventCount: newest.length,
      incomplete: answer.truncated || told.includes(null),
    };
  },
});

/** Null for a line that is none. Labels of containers, which may hold anything, are left out. */
function readEvent(line: string): Event | null {
  let event;
  try {
    event = members(parseJson(line, "the container engine"));
  } catch {
    return null;
  }
  const actor = members(event.get("Actor"));
  const attributes = members(actor.get("Attributes"));
  // Of `exec_create: /bin/sh -c ...` the first word, of `health_status: healthy` both.
  const [action = "", detail = ""] = text(event.get("Action")).split(/: ?/, 2);
  const health = HEALTH.find(
    (word) =>
      action === "health_status" && [detail, attributes.get("health_status")].includes(word),
  );
  const seconds = event.get("timeNano");
  return {
    at: typeof seconds === "number" ? showTime(seconds / 1e6) : null,
    type: text(event.get("Type")),
    action: health === undefined ? action : `${action}: ${health}`,
    name: text(attributes.get("name")),
    id: shortId(actor.get("ID")),
    image: text(attributes.get("image")),
    exitCode: readExitCode(attributes.get("exitCode")),
  };
}

function showTime(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function readExitCode(value: unknown): number | null {
  return /^\d{1,3}$/.test(text(value)) ? Number(value) : null;
}

/** @param newest of all events the first */
function countContainers(newest: readonly Event[]) {
  const byId = new Map<string, Event[]>();
  for (const event of newest) {
    if (event.type !== "container") continue;
    byId.set(event.id, [...(byId.get(event.id) ?? []), event]);
  }
  const counted = [...byId.values()].map((ofOne) => {
    const count = (action: string) => ofOne.filter((event) => event.action === action).length;
    const ends = ofOne.filter(({ action }) => action === "die");
    const health = ofOne.find(({ action }) => action.startsWith("health_status: "))?.action;
    return {
      ...{ name: ofOne[0]?.name ?? "", image: ofOne[0]?.image ?? "" },
      ...{ startCount: count("start"), endCount: ends.length },
      lastExitCode: ends[0]?.exitCode ?? null,
      outOfMemoryCount: count("oom"),
      unhealthyCount: count("health_status: unhealthy"),
      lastHealth: health?.replace("health_status: ", "") ?? null,
    };
  });
  return counted.sort(
    (a, b) =>
      b.outOfMemoryCount - a.outOfMemoryCount ||
      b.endCount - a.endCount ||
      b.unhealthyCount - a.unhealthyCount ||
      compareText(a.name, b.name),
  );
}
