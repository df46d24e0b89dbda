import { toPlainLine } from "@sonde/schemas/plain-text";

/** A table has at most so many columns: a wider one is no easier to read than its rows. */
const MAX_COLUMNS = 24;
const INDENT = "  ";
/** What needs no quotes to be read for what it is, and cannot be taken for a mark of the text's own. */
const BARE = /^[A-Za-z/]([A-Za-z0-9 ._/:@%+,-]*[A-Za-z0-9._/:@%+-])?$/;
const WORDS_OF_JSON = new Set(["true", "false", "null"]);

type Fields = Record<string, unknown>;
type Row = ReadonlyMap<string, string>;

/**
 * Writes JSON data in fewer characters: members as lines, and lists of alike objects as tables. Each
 * string of the data is within one line: what is not plain is a JSON string, with every invisible
 * character as an escape.
 */
export function writeCompact(data: Fields): string[] {
  return writeMembers(data, "");
}

/**
 * Writes named objects as one table, when each has plain members only.
 *
 * @param named the title of the first column
 * @returns null when they are no rows of one table
 */
export function writeTable(
  named: string,
  objects: readonly { name: string; data: Fields }[],
): string[] | null {
  const rows = objects.map(({ name, data }) => {
    const row = readRow(data);
    return row === null ? null : new Map([[named, write(name)], ...row]);
  });
  return rows.every((row) => row !== null) ? joinRows(rows) : null;
}

function writeMembers(fields: Fields, indent: string): string[] {
  return Object.entries(fields).flatMap(([name, value]) => writeMember(write(name), value, indent));
}

function writeMember(name: string, value: unknown, indent: string): string[] {
  const deeper = indent + INDENT;
  if (Array.isArray(value)) {
    const table = value.length > 1 ? tableOf(value) : null;
    if (table !== null) {
      return [`${indent}${name}, ${value.length} rows:`, ...table.map((line) => deeper + line)];
    }
    const parts = partsOf(value);
    if (parts === null) return [`${indent}${name}: ${write(value)}`];
    const numbered = parts.flatMap((part, index) => writeMember(`${index + 1}`, part, deeper));
    return [`${indent}${name}, ${parts.length} parts:`, ...numbered];
  }
  if (!isFields(value)) return [`${indent}${name}: ${write(value)}`];
  const lines = writeMembers(value, deeper);
  return lines.length === 0 ? [`${indent}${name}: {}`] : [`${indent}${name}:`, ...lines];
}

function tableOf(values: readonly unknown[]): string[] | null {
  const rows = values.map((value) => (isFields(value) ? readRow(value) : null));
  return rows.every((row) => row !== null) ? joinRows(rows) : null;
}

/** Objects that have lists of objects inside, and so are no rows. Null for all other lists. */
function partsOf(values: readonly unknown[]): Fields[] | null {
  const parts = values.filter(isFields);
  return parts.length === values.length && parts.some((part) => readRow(part) === null)
    ? parts
    : null;
}

/** Titles once, then the cells. A member that a row lacks is an empty cell. */
function joinRows(rows: readonly Row[]): string[] | null {
  const titles = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  if (titles.length === 0 || titles.length > MAX_COLUMNS) return null;
  const join = (cells: readonly string[]): string => cells.join(" | ");
  return [join(titles), ...rows.map((row) => join(titles.map((title) => row.get(title) ?? "")))];
}

/** The cells of an object; those of an object inside it by their path. Null when it has a list of objects. */
function readRow(fields: Fields, path = ""): Row | null {
  const row = new Map<string, string>();
  for (const [name, value] of Object.entries(fields)) {
    const title = path + write(name);
    if (isFields(value)) {
      const inner = readRow(value, `${title}.`);
      if (inner === null) return null;
      for (const [deeper, cell] of inner) row.set(deeper, cell);
    } else if (Array.isArray(value) && value.some((item) => typeof item === "object")) {
      return null;
    } else row.set(title, write(value));
  }
  return row;
}

function write(value: unknown): string {
  if (typeof value === "string" && BARE.test(value) && !WORDS_OF_JSON.has(value)) return value;
  return toPlainLine(JSON.stringify(value) ?? "null");
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
