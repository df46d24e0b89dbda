import type { Margin } from "@sonde/schemas/reads";

/**
 * How many bytes a read reaches beyond what it gives. The agent scrubs with them, so that a
 * secret is recognised whose name, head or end stands outside. Before: more than the private
 * key of the largest RSA key in use. After: more than a token or the text of an element.
 */
export const REACH_BEFORE = 65_536;
export const REACH_AFTER = 16_384;

/** A text that was read, and what stands around it when it was cut. */
export type CutText = { text: string; margin: Margin | undefined; bytes: number };

/**
 * Cuts what was read to the bytes in [from, to), and keeps the rest as the margin. Invalid
 * UTF-8 becomes U+FFFD. A character at the end is given as a whole or not at all.
 *
 * @param from the beginning of a line
 */
export function cutText(read: Buffer, from: number, to: number): CutText {
  const end = to >= read.length ? read.length : startOfCharacter(read, to);
  const text = read.toString("utf8", from, end);
  const isWhole = from === 0 && end === read.length;
  const margin = { before: read.toString("utf8", 0, from), after: read.toString("utf8", end) };
  return { text, margin: isWhole ? undefined : margin, bytes: end - from };
}

/** What was read, and which part of it is the answer. */
export type Part = { read: Buffer; from: number; to: number; truncated: boolean };

/**
 * Drops a partial first line. What begins it may be a secret's name or the first half of the
 * secret.
 */
export function fromLineStart(read: Buffer, from: number, to: number, truncated: boolean): Part {
  const end = Math.min(to, read.length);
  // With the byte before the tail, which shows whether the tail begins at the start of a line.
  const lineEnd = from === 0 ? -1 : read.subarray(0, end).indexOf("\n", from - 1);
  const start = from === 0 ? 0 : lineEnd === -1 ? end : lineEnd + 1;
  const isAllCut = start >= end && from < end;
  return { read, from: start, to: end, truncated: truncated || isAllCut };
}

/** Steps back over at most three bytes of the form 10xxxxxx. */
function startOfCharacter(bytes: Buffer, at: number): number {
  let start = at;
  while (at - start < 3 && ((bytes[start] ?? 0) & 0b1100_0000) === 0b1000_0000) start -= 1;
  return Math.max(0, start);
}

/** Cuts a message between two words, so that no part of a secret stays that nobody recognises. */
export function cutMessage(message: string, most: number): string {
  return message.length <= most ? message : message.slice(0, most).replace(/\S+$/, "");
}
