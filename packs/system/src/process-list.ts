import type { Look } from "@sonde/pack-sdk/author";
import { parseProcessStat, type ProcessStat } from "./parse-process-stat.ts";

type Entries = Look<"directory">["entries"];

/** The processes of one look at `/proc/PID/stat`. One that ended meanwhile is none. */
export function parseProcesses({ entries }: { entries: Entries }): ProcessStat[] {
  return entries.flatMap(({ text }) => parseProcessStat(text ?? "") ?? []);
}

/** A pid can be reused between the samples. The start time tells the processes apart. */
export function identify({ pid, startTicks }: ProcessStat): string {
  return `${pid} ${startTicks}`;
}

/** What one file of each process says, by pid. */
export function textByPid(entries: Entries): ReadonlyMap<number, string> {
  return new Map(entries.map(({ name, text }) => [Number(name), text ?? ""]));
}
