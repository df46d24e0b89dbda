/** A JSON object that is asked for names from outside; it has no inherited ones. */
export type Members = ReadonlyMap<string, unknown>;

/**
 * Parses JSON of another program.
 *
 * @param what whose JSON it should be, for the message
 * @throws Error for any other text; its message quotes none of it
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`expected JSON from ${what}, got other text`);
  }
}

/** The members of a JSON object; of anything else, none. */
export function members(value: unknown): Members {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return new Map(isObject ? Object.entries(value) : []);
}

/** The items of a JSON array; of anything else, none. */
export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
