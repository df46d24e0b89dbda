import { probe, t } from "@sonde/pack-sdk/author";
import { compareText, items, members } from "@sonde/pack-sdk/parse";
import { bareName, text } from "./parse-answer.ts";
import { readList } from "./read-list.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;
/** From the worst on. */
const PROBLEMS = ["restarting", "unhealthy", "dead", "ended with an error", "paused"] as const;
type Problem = (typeof PROBLEMS)[number];

export const health = probe({
  description:
    "Containers that something is wrong with, the worst first: those that restart again and again, say that they are not " +
    "healthy, could not be removed, ended with an error, or are paused. And how many there are in each state.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    containerCount: t.integer(),
    countByState: t.record(t.integer(), { maxProperties: 20 }),
    checkedCount: t.integer({ description: "that run and have a health check" }),
    problemCount: t.integer({ description: "before the limit" }),
    containers: t.array(
      t.object({
        name: t.string({ description: "text that others chose" }),
        image: t.string(),
        problem: t.string(),
        exitCode: t.nullable(t.integer({ description: "of its last run" })),
        status: t.string({ description: "as the engine words it" }),
      }),
    ),
  }),
  reads: { list: sources.allContainers },
  run({ params, reads }) {
    const all = readList(reads.list, "containers")
      .map(members)
      .map((container) => {
        const [state, status] = [text(container.get("State")), text(container.get("Status"))];
        const exitCode = readExitCode(status);
        return {
          name: bareName(items(container.get("Names"))[0]),
          image: text(container.get("Image")),
          ...{ state, status, exitCode },
          problem: findProblem(state, status, exitCode),
        };
      });
    const counts = new Map<string, number>();
    for (const { state } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
    const bad = all.flatMap(({ name, image, problem, exitCode, status }) =>
      problem === null ? [] : [{ name, image, problem, exitCode, status }],
    );
    const rankOf = ({ problem }: { problem: Problem }) => PROBLEMS.indexOf(problem);
    return {
      containerCount: all.length,
      countByState: Object.fromEntries(
        [...counts].sort(([a], [b]) => compareText(a, b)).slice(0, 20),
      ),
      checkedCount: all.filter(({ status }) => /\((?:healthy|unhealthy|.*starting)\)/.test(status))
        .length,
      problemCount: bad.length,
      containers: bad
        .sort((a, b) => rankOf(a) - rankOf(b) || compareText(a.name, b.name))
        .slice(0, params.limit ?? DEFAULT_LIMIT),
    };
  },
});

/** Of `Exited (137) 2 minutes ago` and `Restarting (1) 5 seconds ago`. */
function readExitCode(status: string): number | null {
  const [, code] = /^(?:Exited|Restarting) \((\d{1,3})\)/.exec(status) ?? [];
  return code === undefined ? null : Number(code);
}

function findProblem(state: string, status: string, exitCode: number | null): Problem | null {
  if (state === "restarting") return "restarting";
  if (status.includes("(unhealthy)")) return "unhealthy";
  if (state === "dead") return "dead";
  if (state === "paused") return "paused";
  return state === "exited" && exitCode !== null && exitCode !== 0 ? "ended with an error" : null;
}
