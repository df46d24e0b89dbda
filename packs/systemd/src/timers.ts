import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { parseRows } from "./parse-rows.ts";
import { endOf, parseUnits, textOf } from "./parse-units.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;
const MICROSECONDS = 1000;
/** systemd writes "never" as 0 or as the highest number. */
const NEVER = 9_000_000_000_000_000;
/** systemd joins the runs of a minute, unless a timer says otherwise (`AccuracySec`). */
const LATE_MS = 120_000;
const RUNNING = new Set(["running", "start", "start-pre", "start-post"]);

export const timers = probe({
  description:
    "Timers of systemd (its cron): when each ran last and runs next, what it starts, and how that ended. Those " +
    "whose last run failed are first, then those that are late, then the next to run. lastResult null: not known.",
  params: t.object({
    nameContains: t.optional(t.string({ maxLength: 100 })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    timerCount: t.integer({ description: "that fit" }),
    timers: t.array(
      t.object({
        name: t.string(),
        starts: t.nullable(t.string({ description: "the unit" })),
        lastAt: t.nullable(t.string({ description: "ISO 8601, UTC; null: never" })),
        nextAt: t.nullable(t.string({ description: "null: no next run" })),
        isLate: t.boolean({ description: "the next run is due and has not begun" }),
        isRunning: t.nullable(t.boolean({ description: "what it starts runs now" })),
        lastResult: t.nullable(t.string({ description: "such as success, exit-code, timeout" })),
        end: t.nullable(t.string({ description: "of the program: exit code or signal" })),
      }),
    ),
    incomplete: t.boolean({ description: "a list was cut" }),
  }),
  reads: { list: sources.timerList, services: read(sources.serviceList, { optional: true }) },
  run({ params, reads, now }) {
    const { list, services } = reads;
    const known = services.ok ? parseUnits(services) : { units: [], incomplete: true };
    const started = new Map(known.units.map((unit) => [unit.get("Id"), unit]));
    const found = parseRows(list, "next")
      .map((timer) => {
        const starts = timer.get("activates");
        const service = typeof starts === "string" ? started.get(starts) : undefined;
        const [lastAt, nextAt] = [timeOf(timer.get("last")), timeOf(timer.get("next"))];
        const state = service?.get("SubState");
        const isRunning = state === undefined ? null : RUNNING.has(state);
        return {
          name: String(timer.get("unit") ?? ""),
          starts: typeof starts === "string" ? starts : null,
          lastAt: show(lastAt),
          nextAt: show(nextAt),
          isLate: nextAt !== null && nextAt < now - LATE_MS && isRunning !== true,
          isRunning,
          // Before its first run a service has `success` too.
          lastResult: service === undefined || lastAt === null ? null : textOf(service, "Result"),
          end: service === undefined ? null : endOf(service),
        };
      })
      .filter(({ name }) => name.includes(params.nameContains ?? ""));
    const rankOf = ({ lastResult, isLate }: (typeof found)[number]): number =>
      lastResult !== null && lastResult !== "success" ? 0 : isLate ? 1 : 2;
    return {
      timerCount: found.length,
      timers: found
        .sort(
          (a, b) =>
            rankOf(a) - rankOf(b) ||
            compareText(a.nextAt ?? "~", b.nextAt ?? "~") ||
            compareText(a.name, b.name),
        )
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: list.truncated || known.incomplete,
    };
  },
});

/** Unix time in ms */
function timeOf(micros: unknown): number | null {
  if (typeof micros !== "number" || micros <= 0 || micros > NEVER) return null;
  return Math.floor(micros / MICROSECONDS);
}

function show(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
