import type { Look } from "@sonde/pack-sdk/author";
import { splitLines } from "@sonde/pack-sdk/parse";

/** What a text has that is none: a NUL, or many bytes that are no UTF-8. */
const MOST_STRANGE = 0.1;

/** The lines of a read, the newest first; no line of a file that is no text. */
export function showLines({ parts }: Look<"lines">): { lines: string[]; isText: boolean } {
  const text = parts.map((part) => part.text).join("");
  const strange = text.split("\uFFFD").length - 1;
  const isText = !text.includes("\0") && strange <= text.length * MOST_STRANGE;
  return { lines: isText ? splitLines(text).toReversed() : [], isText };
}
