/**
 * Parses a decimal number, such as `17`, `-0.5` or `1e3`.
 *
 * @param text undefined when the word is missing
 * @param what the number's meaning, for the error message
 * @throws Error for anything that is not a number; never returns 0 or NaN instead
 */
export function parseNumber(text: string | undefined, what: string): number {
  const value = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text ?? "") ? Number(text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  throw new Error(`expected a number for ${what}, got ${JSON.stringify(text) ?? "none"}`);
}
