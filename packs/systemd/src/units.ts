import { probe, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { parseRows } from "./parse-rows.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;

export const units = probe({
  description:
    "Units of systemd by state and type, with the count of each state: failed and broken ones first, then those that " +
    "change, active, inactive. not-found: named by another unit only.",
  params: t.object({
    state: t.optional(
      t.enumOf(["failed", "activating", "deactivating", "reloading", "active", "inactive"]),
    ),
    type: t.optional(
      t.enumOf(["service", "socket", "timer", "mount", "target", "path", "scope", "swap"]),
    ),
    nameContains: t.optional(t.string({ maxLength: 100 })),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    unitCount: t.integer({ description: "that fit" }),
    countByState: t.record(t.integer(), { maxProperties: 20 }),
    units: t.array(
      t.object({
        name: t.string(),
        description: t.string({ description: "text that others wrote" }),
        loadState: t.string(),
        activeState: t.string(),
        subState: t.string(),
      }),
    ),
    incomplete: t.boolean({ description: "the list was cut" }),
    unreadableCount: t.integer(),
  }),
  reads: { list: sources.allUnits },
  run({ params, reads: { list } }) {
    const { units: all, unreadableCount } = parseList(list);
    const { state, type, nameContains = "" } = params;
    const chosen = all
      .filter(({ activeState }) => state === undefined || activeState === state)
      .filter(({ name }) => type === undefined || name.endsWith(`.${type}`))
      .filter(({ name }) => name.includes(nameContains));
    const counts = new Map<string, number>();
    for (const unit of chosen) {
      counts.set(unit.activeState, (counts.get(unit.activeState) ?? 0) + 1);
    }
    return {
      unitCount: chosen.length,
      countByState: Object.fromEntries([...counts].slice(0, 20)),
      units: chosen
        .sort((a, b) => rankOf(a) - rankOf(b) || compareText(a.name, b.name))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: list.truncated,
      unreadableCount,
    };
  },
});

type Listed = {
  name: string;
  description: string;
  loadState: string;
  activeState: string;
  subState: string;
};

const BROKEN = new Set(["error", "bad-setting"]);
const SETTLED = new Map([
  ["active", 2],
  ["inactive", 3],
]);

/** The worst has the lowest. */
function rankOf({ activeState, loadState }: Listed): number {
  if (activeState === "failed" || BROKEN.has(loadState)) return 0;
  return SETTLED.get(activeState) ?? 1;
}

function parseList(list: { stdout: string; truncated: boolean }) {
  const rows = parseRows(list, "unit").map((row) => {
    const of = (member: string): string => String(row.get(member) ?? "");
    return {
      name: of("unit"),
      description: of("description"),
      loadState: of("load"),
      activeState: of("active"),
      subState: of("sub"),
    };
  });
  const named = rows.filter(({ name }) => name !== "");
  return { units: named, unreadableCount: rows.length - named.length };
}
