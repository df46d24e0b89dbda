import { probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { endOf, numberOf, parseUnits, textOf, timeOf } from "./parse-units.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;

export const unitsFailed = probe({
  description:
    "Units of systemd that have failed, the latest first: why, and how the program ended. One that systemd keeps " +
    "restarting has not failed yet: see systemd_unit_restarts. For its messages see journal_query with the unit.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    failedCount: t.integer(),
    units: t.array(
      t.object({
        name: t.string(),
        description: t.nullable(t.string({ description: "text that others wrote" })),
        result: t.nullable(t.string({ description: "such as exit-code, signal, timeout" })),
        end: t.nullable(t.string({ description: "of the program: exit code or signal" })),
        failedAt: t.nullable(t.string({ description: "ISO 8601, UTC" })),
        restartCount: t.nullable(t.integer({ description: "before it failed" })),
      }),
    ),
    incomplete: t.boolean({ description: "the list was cut" }),
    unreadableCount: t.integer(),
  }),
  reads: { failed: sources.failedUnits },
  run({ params, reads }) {
    const { units, incomplete, unreadableCount } = parseUnits(reads.failed);
    return {
      failedCount: units.length,
      units: units
        .map((unit) => ({
          name: unit.get("Id") ?? "",
          description: textOf(unit, "Description"),
          result: textOf(unit, "Result"),
          end: endOf(unit),
          failedAt: timeOf(unit, "StateChangeTimestamp"),
          restartCount: numberOf(unit, "NRestarts"),
        }))
        .sort(
          (a, b) => compareText(b.failedAt ?? "", a.failedAt ?? "") || compareText(a.name, b.name),
        )
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete,
      unreadableCount,
    };
  },
});
