/**
 * The outermost place at which a value does not fit its schema, with one sentence.
 * `isUnknownMember`: the value is well-formed but has a member that the schema does not know.
 */
export type Misfit = { path: string[]; sentence: string; isUnknownMember?: true };

/** Null when the value fits. */
export type Check = (value: unknown) => Misfit | null;

export type Schema = Readonly<Record<string, unknown>>;

export function misfit(sentence: string): Misfit {
  return { path: [], sentence };
}

export function beneath(name: string, found: Misfit): Misfit {
  return { ...found, path: [name, ...found.path] };
}

export function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "number") return Number.isFinite(value);
  return kindOf(value) === type;
}

export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
