/**
 * Reads a decimal number, such as `17`, `-0.5` or `1e3`.
 *
 * @param text undefined for a word that is not there
 * @param what the number's meaning, for the message
 * @throws Error for anything else: never 0 or NaN for what is no number
 */
export function parseNumber(text: string | undefined, what: string): number {
  const value = /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text ?? "") ? Number(text) : Number.NaN;
  if (Number.isFinite(value)) return value;
  throw new Error(`expected a number for ${what}, got ${JSON.stringify(text) ?? "none"}`);
}
