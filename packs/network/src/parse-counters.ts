import { splitLines, splitWords } from "@sonde/pack-sdk/parse";

/**
 * Parses `/proc/net/snmp` and `/proc/net/netstat`: pairs of lines, names and then numbers, each with
 * the same word in front.
 *
 * @returns numbers by `Tcp.RetransSegs`
 */
export function parseProtocolCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  const lines = splitLines(text).map(splitWords);
  for (const [index, [word = "", ...names]] of lines.entries()) {
    const [same, ...numbers] = lines[index + 1] ?? [];
    if (same !== word || !/^-?\d+$/.test(numbers[0] ?? "")) continue;
    for (const [at, name] of names.entries()) {
      counters.set(`${word.replace(/:$/, "")}.${name}`, Number(numbers[at]));
    }
  }
  return counters;
}

/** What a counter has grown by; null when this kernel does not count it. One that went back counts as unchanged. */
export function grownBy(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  name: string,
): number | null {
  const now = after.get(name);
  return now === undefined ? null : Math.max(0, now - (before.get(name) ?? 0));
}
