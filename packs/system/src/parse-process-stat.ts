import { splitWords } from "@sonde/pack-sdk/parse";

/** One process as `/proc/PID/stat` shows it; proc(5). */
export type ProcessStat = {
  pid: number;
  name: string;
  state: string;
  parentPid: number;
  /** User and system time in clock ticks. */
  cpuTicks: number;
  threadCount: number;
  /** Clock ticks after boot. */
  startTicks: number;
  residentPages: number;
};

/**
 * Parses one stat line. The name is in parentheses and may contain blanks, parentheses and line
 * breaks, so it ends at the last `)`.
 *
 * @returns undefined for text that is not a stat line, such as that of a process that just ended
 */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 1 || close < open) return undefined;
  // The first element here is the third field of the line.
  const fields = splitWords(text.slice(close + 1));
  const number = (field: number): number => Number(fields[field - 3]);
  const stat = {
    pid: Number(text.slice(0, open)),
    name: text.slice(open + 1, close),
    state: fields[0] ?? "",
    parentPid: number(4),
    cpuTicks: number(14) + number(15),
    threadCount: number(20),
    startTicks: number(22),
    residentPages: number(24),
  };
  const numbers = Object.values(stat).filter((value) => typeof value === "number");
  return numbers.every(Number.isSafeInteger) ? stat : undefined;
}
