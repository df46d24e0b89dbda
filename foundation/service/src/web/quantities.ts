// How values of answers are written for people, the same in the console and in pictures in the chat.

/** What is not known. */
export const UNKNOWN = "not known";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function writeBytes(bytes: number | null): string {
  if (bytes === null) return UNKNOWN;
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : round(value)} ${UNITS[unit] ?? ""}`;
}

export function writePercent(percent: number | null): string {
  return percent === null ? UNKNOWN : `${round(percent)} %`;
}

export function writeCount(count: number): string {
  return count.toLocaleString("en");
}

/** Three figures are enough to compare. */
function round(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

/** By its name, with the unit that the name tells. */
export function writeValue(name: string, value: unknown): string {
  if (typeof value === "number") {
    if (name.endsWith("Bytes")) return writeBytes(value);
    if (name.endsWith("Percent")) return writePercent(value);
    if (name.endsWith("Seconds")) return `${writeCount(value)} s`;
    if (name.endsWith("Ms")) return `${writeCount(value)} ms`;
    return writeCount(value);
  }
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map((one) => writeValue(name, one)).join(", ");
  return value === null || value === undefined ? UNKNOWN : JSON.stringify(value);
}

/** A time as the hub writes it, in UTC, to the second. */
export function writeTime(time: string): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime())
    ? time
    : `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
