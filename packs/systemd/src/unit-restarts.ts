import { probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { endOf, numberOf, parseUnits, textOf, timeOf } from "./parse-units.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;
/** systemd gave up on it. */
const GAVE_UP = "start-limit-hit";

export const unitRestarts = probe({
  description:
    "Services that systemd restarts or gave up on, with the count since somebody started them, and how many " +
    "restarts came within two looks two seconds apart (a restart loop): these are first. Why, and how the program ended.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    measuredMs: t.integer(),
    serviceCount: t.integer({ description: "that were looked at" }),
    restartedCount: t.integer({ description: "before the limit" }),
    services: t.array(
      t.object({
        name: t.string(),
        restartsMeanwhile: t.integer(),
        restartCount: t.integer(),
        activeState: t.string(),
        subState: t.string({ description: "auto-restart: waits for its next start" }),
        stateSince: t.nullable(t.string({ description: "ISO 8601, UTC" })),
        result: t.nullable(t.string({ description: `${GAVE_UP}: systemd gave up` })),
        end: t.nullable(t.string({ description: "exit code or signal; null while it runs again" })),
      }),
    ),
    incomplete: t.boolean({ description: "the list was cut" }),
    unreadableCount: t.integer(),
  }),
  reads: { services: sources.serviceLooks },
  run({ params, reads }) {
    const [before, after] = reads.services.samples;
    const countOf = (unit: ReadonlyMap<string, string>) => numberOf(unit, "NRestarts") ?? 0;
    const earlier = new Map(parseUnits(before).units.map((unit) => [unit.get("Id"), unit]));
    const { units, incomplete, unreadableCount } = parseUnits(after);
    const found = units
      .filter((unit) => countOf(unit) > 0 || unit.get("Result") === GAVE_UP)
      .map((unit) => {
        const name = unit.get("Id") ?? "";
        const restartCount = countOf(unit);
        const was = earlier.get(name) ?? unit;
        return {
          name,
          restartsMeanwhile: Math.max(0, restartCount - countOf(was)),
          restartCount,
          activeState: unit.get("ActiveState") ?? "",
          subState: unit.get("SubState") ?? "",
          stateSince: timeOf(unit, "StateChangeTimestamp"),
          result: textOf(unit, "Result"),
          // systemd forgets how a program ended as soon as it starts again.
          end: endOf(unit) ?? endOf(was),
        };
      });
    return {
      measuredMs: Math.round(after.at - before.at),
      serviceCount: units.length,
      restartedCount: found.length,
      services: found
        .sort(
          (a, b) =>
            b.restartsMeanwhile - a.restartsMeanwhile ||
            b.restartCount - a.restartCount ||
            compareText(a.name, b.name),
        )
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: before.truncated || incomplete,
      unreadableCount,
    };
  },
});
