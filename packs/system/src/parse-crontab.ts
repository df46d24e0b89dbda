import { parseProgram } from "./parse-program.ts";

/** A line of a crontab that runs something. */
export type CronLine = {
  line: number;
  schedule: string;
  /** Null in the crontab of a user. */
  user: string | null;
  command: string;
  /** No time fits the schedule. */
  isNever: boolean;
};

/** The first thing in a crontab that cron does not understand. */
export type CronError = { line: number; reason: CronReason };
export type CronReason =
  | "bad-schedule"
  | "no-user"
  | "unknown-user"
  | "no-command"
  | "command-too-long"
  | "windows-line-ends"
  | "no-newline-at-end";

type Field = { low: number; high: number; names: readonly string[] };

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const DAYS = "sun mon tue wed thu fri sat sun".split(" ");
const FIELDS: readonly Field[] = [
  { low: 0, high: 59, names: [] },
  { low: 0, high: 23, names: [] },
  { low: 1, high: 31, names: [] },
  { low: 1, high: 12, names: MONTHS },
  { low: 0, high: 7, names: DAYS },
];
const DAYS_OF_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const SPECIAL = /^@(reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)$/;
/** An empty value without quotes makes a line no assignment. */
const ASSIGNMENT =
  /^(?:"[^"]*"|'[^']*'|[^\s='"][^\s=]*)?\s*=\s*(?:"[^"]*"\s*|'[^']*'\s*|[^\s"'].*)$/;
const MOST_OF_COMMAND = 998;

/**
 * Reads a crontab as the cron of Debian does (crontab(5), and what it accepts beyond), up to the first
 * error.
 *
 * @param options.hasUsers lines name a user, as in `/etc/crontab`
 * @param options.isUser false for a user whom the host does not know
 * @param options.isWhole false for a text that was cut
 */
export function parseCrontab(
  text: string,
  options: { hasUsers: boolean; isUser: (name: string) => boolean; isWhole: boolean },
): { lines: CronLine[]; error: CronError | null } {
  const lines: CronLine[] = [];
  const all = text.split("\n");
  // A last line end begins no line, and half a line says nothing.
  if (all.at(-1) === "" || !options.isWhole) all.pop();
  for (const [index, raw] of all.entries()) {
    const found = parseLine(raw, options);
    if (found === null) continue;
    const line = index + 1;
    if ("reason" in found) {
      const reason = raw.endsWith("\r") ? "windows-line-ends" : found.reason;
      return { lines, error: { line, reason } };
    }
    lines.push({ line, ...found });
  }
  const isOpen = text !== "" && !text.endsWith("\n") && options.isWhole;
  return { lines, error: isOpen ? { line: all.length, reason: "no-newline-at-end" } : null };
}

type Found = Omit<CronLine, "line"> | { reason: CronReason } | null;

/** Null for a line that runs nothing. */
function parseLine(
  raw: string,
  { hasUsers, isUser }: { hasUsers: boolean; isUser: (name: string) => boolean },
): Found {
  const line = raw.replace(/^[ \t]+/, "");
  if (line === "" || line.startsWith("#") || ASSIGNMENT.test(line)) return null;
  const count = line.startsWith("@") ? 1 : FIELDS.length;
  const [times, afterTimes] = takeWords(line, count);
  const schedule = times.join(" ");
  const values = times.map((time, index) => parseField(time, FIELDS[index]));
  const isFine = count === 1 ? SPECIAL.test(schedule) : times.length === count;
  if (!isFine || (count > 1 && values.includes(null))) return { reason: "bad-schedule" };
  const [[user = null], command] = hasUsers ? takeWords(afterTimes, 1) : [[], afterTimes];
  if (hasUsers && (user === null || command === "")) {
    return { reason: user === null ? "no-user" : "no-command" };
  }
  if (user !== null && !isUser(user)) return { reason: "unknown-user" };
  if (command === "") return { reason: "no-command" };
  if (command.length > MOST_OF_COMMAND) return { reason: "command-too-long" };
  const isNever = count > 1 && fitsNoTime(times, values);
  return { schedule, user, command, isNever };
}

/** Takes words that blanks separate, and what follows them. */
function takeWords(text: string, count: number): [words: string[], rest: string] {
  const words: string[] = [];
  let rest = text;
  while (words.length < count) {
    const [, word, after] = /^([^ \t]+)[ \t]*([^]*)$/.exec(rest) ?? [];
    if (word === undefined || after === undefined) break;
    words.push(word);
    rest = after;
  }
  return [words, rest];
}

/** The values of one field, none for a range from high to low; null for what cron refuses. */
function parseField(text: string, field: Field | undefined): Set<number> | null {
  if (field === undefined) return null;
  const values = new Set<number>();
  let rest = text;
  for (;;) {
    const found = parseRange(rest, field);
    if (found === null) return null;
    for (let value = found.from; value <= found.to; value += found.step) {
      if (value < field.low || value > field.high) return null;
      values.add(value);
    }
    // What follows is skipped, as by cron, unless it is a comma.
    if (!found.rest.startsWith(",")) return values;
    rest = found.rest.slice(1);
  }
}

type Range = { from: number; to: number; step: number; rest: string };

function parseRange(text: string, { low, high, names }: Field): Range | null {
  const [, first = "", sign = "", second = "", slash = "", steps = "", rest = ""] =
    /^(\*|[A-Za-z0-9]+)(?:([-~])([A-Za-z0-9]*))?(?:(\/)([A-Za-z0-9]*))?([^]*)$/.exec(text) ?? [];
  const from = first === "*" ? low : toNumber(first, low, names);
  if (from === null || from < low || from > high) return null;
  // A star takes no second number, and a number alone no steps.
  if (first === "*" && sign !== "") return { from, to: high, step: 1, rest: "" };
  if (first !== "*" && sign === "") {
    return slash === "" ? { from, to: from, step: 1, rest } : null;
  }
  // One value of a range by chance.
  if (sign === "~") return { from, to: from, step: 1, rest };
  const to = first === "*" ? high : toNumber(second, low, names);
  const step = slash === "" ? 1 : toNumber(steps, low, []);
  if (to === null || to > high || step === null || step === 0) return null;
  return { from, to, step, rest };
}

function toNumber(text: string, low: number, names: readonly string[]): number | null {
  if (/^[0-9]+$/.test(text)) return Number(text);
  const index = names.indexOf(text.toLowerCase());
  return index === -1 ? null : index + low;
}

/** A field without a value, or days that no chosen month has. */
function fitsNoTime(times: readonly string[], values: readonly (Set<number> | null)[]): boolean {
  if (values.some((set) => set?.size === 0)) return true;
  const [, , days, months] = values;
  const isAnyWeekday = (times[4] ?? "").startsWith("*");
  const longest = Math.max(...[...(months ?? [])].map((month) => DAYS_OF_MONTHS[month - 1] ?? 0));
  return isAnyWeekday && Math.min(...(days ?? [])) > longest;
}

/** Words of the shell in a program's place. */
const OF_SHELL = new Set(
  "cd test [ [[ true false : set umask export exit fi done } for case esac".split(" "),
);
/** Words of the shell before a program. */
const BEFORE_PROGRAM = new Set("if then else elif while until do { ! exec time".split(" "));
const MOST_PROGRAMS = 5;

/**
 * The base names of the programs in a command of a crontab, and of an interpreter its script's. Other
 * arguments may be secrets and are no part of it. A command substitution, a list of bash and a `case` are
 * left out, with all that follows.
 */
export function listPrograms(command: string): string[] {
  const programs = splitCommands(command).flatMap((words) => {
    let start = 0;
    while (isBeforeProgram(words[start])) start++;
    const [first, ...rest] = words.slice(start);
    if (first === undefined || OF_SHELL.has(first)) return [];
    return parseProgram([first, ...rest, ""].join("\0")) ?? [];
  });
  return [...new Set(programs)].slice(0, MOST_PROGRAMS);
}

function isBeforeProgram(word: string | undefined): boolean {
  return (
    word !== undefined && (BEFORE_PROGRAM.has(word) || /^[A-Za-z_]\w*(\[[^\]]*\])?\+?=/.test(word))
  );
}

/** The simple commands of a command line, in words, up to a list or a `case`. Nothing is expanded. */
function splitCommands(command: string): string[][] {
  const commands: string[][] = [[]];
  let word: string | null = null;
  let quote = "";
  let isTarget = false;
  const end = (): void => {
    if (word !== null && !isTarget) commands.at(-1)?.push(word);
    if (word !== null) isTarget = false;
    word = null;
  };
  for (let at = 0; at < command.length; at++) {
    const sign = command[at] ?? "";
    const next = command[at + 1] ?? "";
    if (sign === "\\" && quote !== "'") {
      word = (word ?? "") + next;
      at++;
    } else if (
      sign === "%" ||
      (quote !== "'" && (sign === "`" || (sign === "$" && next === "(")))
    ) {
      // What follows a percent sign is the program's input.
      break;
    } else if (quote !== "") {
      if (sign === quote) quote = "";
      else word = (word ?? "") + sign;
    } else if (sign === "'" || sign === '"') {
      quote = sign;
      word ??= "";
    } else if (/[<>]/.test(sign)) {
      if (word !== null && /^[0-9]+$/.test(word)) word = null;
      end();
      isTarget = true;
      if (/[<>&|]/.test(next)) at++;
    } else if (/[\s;|&()]/.test(sign)) {
      if (sign === "(" && word?.endsWith("=") === true) break;
      end();
      if (commands.at(-1)?.[0] === "case") break;
      if (/\S/.test(sign)) commands.push([]);
    } else if (sign === "#" && word === null) {
      break;
    } else {
      word = (word ?? "") + sign;
    }
  }
  if (quote === "") end();
  return commands;
}
