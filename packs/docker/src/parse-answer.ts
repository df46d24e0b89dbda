// Reads only the needed fields of the Engine API's answers. A field of the wrong type becomes
// empty.

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function integer(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}

/** The engine writes a date in the year 1 for "never". */
export function time(value: unknown): string | null {
  const written = text(value);
  return written === "" || written.startsWith("0001-") ? null : written;
}

/** Names have a leading slash. */
export function bareName(value: unknown): string {
  return text(value).replace(/^\//, "");
}

export function shortId(value: unknown): string {
  return text(value)
    .replace(/^sha256:/, "")
    .slice(0, 12);
}
