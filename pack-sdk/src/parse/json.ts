/** A JSON object without inherited members, safe to index with a name from outside. */
export type Members = ReadonlyMap<string, unknown>;

/**
 * Parses JSON that another program wrote.
 *
 * @param what what wrote the JSON, for the error message
 * @throws Error when the text is not JSON; the message quotes none of the text
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`expected JSON from ${what}, got other text`);
  }
}

/** The members of a JSON object; no members for any other value. */
export function members(value: unknown): Members {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return new Map(isObject ? Object.entries(value) : []);
}

/** The items of a JSON array; no items for any other value. */
export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
