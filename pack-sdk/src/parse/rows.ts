import { parseNumber } from "./number.ts";

/** A row of an answer to `source.sql`; values are texts as the server spells them. */
export type Row = Record<string, string | null>;

/** A number, or null where the server has none. */
export function numberOf(row: Row, column: string): number | null {
  const text = row[column];
  return text === null || text === undefined ? null : parseNumber(text, column);
}

/** Seconds to tenths; a clock that was read a moment before the other one gives 0. */
export function secondsOf(row: Row, column: string): number | null {
  const seconds = numberOf(row, column);
  return seconds === null ? null : Math.max(0, Math.round(seconds * 10) / 10);
}

export function textOf(row: Row, column: string): string {
  return row[column] ?? "";
}
