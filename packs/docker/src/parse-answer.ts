// Of what the Engine API answers only what is asked for is believed; the rest is empty.

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function integer(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}

/** The engine writes the year 1 for "never". */
export function time(value: unknown): string | null {
  const written = text(value);
  return written === "" || written.startsWith("0001-") ? null : written;
}

/** Names come with a leading slash. */
export function bareName(value: unknown): string {
  return text(value).replace(/^\//, "");
}

export function shortId(value: unknown): string {
  return text(value)
    .replace(/^sha256:/, "")
    .slice(0, 12);
}
