/** A JSON object of the Engine API, of which only what is asked for is believed. */
export type Answer = ReadonlyMap<string, unknown>;

/** Parses a body that should be JSON. */
export function parseBody(body: string, status: number): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Error(
      `expected JSON from the container engine, got status ${status} with other text`,
    );
  }
}

/** The members of an object; of anything else, none. */
export function members(value: unknown): Answer {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return new Map(isObject ? Object.entries(value) : []);
}

export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function integer(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}

/** The engine writes the year 1 for "never". */
export function time(value: unknown): string | null {
  const written = text(value);
  return written === "" || written.startsWith("0001-") ? null : written;
}

/** Names come with a leading slash. */
export function bareName(value: unknown): string {
  return text(value).replace(/^\//, "");
}

export function shortId(value: unknown): string {
  return text(value)
    .replace(/^sha256:/, "")
    .slice(0, 12);
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
