import { probe, read, t } from "@sonde/pack-sdk/author";
import type { ProcessStat } from "./parse-process-stat.ts";
import { parseProgram } from "./parse-program.ts";
import { identify, parseProcesses, textByPid } from "./process-list.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 30;

export const processesStuck = probe({
  description:
    "Processes in uninterruptible sleep (state D), which no signal ends, and the kernel function that each " +
    "waits in. One that is there in both looks is first. They raise the load without using CPU; nfs or a disk " +
    "driver in waitsIn names the culprit. Zombies are counted.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    stuckCount: t.integer(),
    stuck: t.array(
      t.object({
        pid: t.integer(),
        name: t.string(),
        program: t.nullable(t.string()),
        parentPid: t.integer(),
        inBothLooks: t.boolean(),
        waitsIn: t.nullable(t.string(), { description: "null when the kernel does not tell" }),
      }),
    ),
    zombieCount: t.integer(),
    othersHidden: t.boolean({ description: "the kernel hides other users' processes" }),
    incomplete: t.boolean(),
  }),
  reads: {
    processes: sources.processes,
    waitChannels: read(sources.waitChannels, { optional: true }),
    commandLines: read(sources.commandLines, { optional: true }),
  },
  run({ params, reads }) {
    const [before, after] = reads.processes.samples;
    const stuckBefore = new Set(parseProcesses(before).filter(isStuck).map(identify));
    const waits = textByPid(reads.waitChannels.ok ? reads.waitChannels.entries : []);
    const commands = textByPid(reads.commandLines.ok ? reads.commandLines.entries : []);
    const now = parseProcesses(after);
    const stuck = now
      .filter(isStuck)
      .map((stat) => ({ ...stat, inBothLooks: stuckBefore.has(identify(stat)) }))
      .sort((a, b) => Number(b.inBothLooks) - Number(a.inBothLooks) || a.pid - b.pid)
      .map(({ pid, name, parentPid, inBothLooks }) => {
        const waitsIn = waits.get(pid) ?? "0";
        return {
          ...{ pid, name, program: parseProgram(commands.get(pid) ?? ""), parentPid, inBothLooks },
          waitsIn: waitsIn === "0" || waitsIn === "" ? null : waitsIn,
        };
      });
    const othersHidden = after.othersHidden === true;
    return {
      stuckCount: stuck.length,
      stuck: stuck.slice(0, params.limit ?? DEFAULT_LIMIT),
      zombieCount: now.filter(({ state }) => state === "Z").length,
      othersHidden,
      incomplete: before.truncated || after.truncated || othersHidden,
    };
  },
});

function isStuck({ state }: ProcessStat): boolean {
  return state === "D";
}
