/**
 * The lines of a text without their line ends. A last line without a line end counts if it is not
 * empty.
 */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** The words of a line, separated by any number of blanks. An empty line has no words. */
export function splitWords(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}

/**
 * Parses lines of `NAME=VALUE` (os-release(5), `systemctl show`) or `NAME: VALUE`
 * (`/proc/PID/status`). Blanks around name and value are trimmed; quotes are kept. A value may
 * contain the separator. Lines without the separator and comments (`#`) are skipped. When a name
 * repeats, the last value wins.
 */
export function parseFields(text: string, separator: "=" | ":"): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of splitLines(text)) {
    const at = line.indexOf(separator);
    if (at < 1 || line.trimStart().startsWith("#")) continue;
    fields.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  return fields;
}

/**
 * Parses lines of a name and a whole number, as in `/proc/meminfo`, `/proc/vmstat` and a cgroup's
 * `memory.stat`. A unit after the number, such as the kB of meminfo, is not applied. Other lines
 * are skipped.
 */
export function parseCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  for (const line of splitLines(text)) {
    const found = /^([A-Za-z0-9_()]+):?\s+(\d+)/.exec(line);
    if (found?.[1] !== undefined) counters.set(found[1], Number(found[2]));
  }
  return counters;
}
