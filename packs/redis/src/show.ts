import type { Look } from "@sonde/pack-sdk/author";
import { parseFields, parseNumber, splitLines } from "@sonde/pack-sdk/parse";

/** What a section of INFO says, by its names. */
export type Info = ReadonlyMap<string, string>;

type Reply = Look<"redis">["reply"];
type Setting = ({ ok: true } & Pick<Look<"redis">, "reply">) | { ok: false };

/**
 * The last line of an answer that was cut may be half of one.
 *
 * @throws Error for an answer that is no text
 */
export function wholeLines({
  reply,
  truncated,
}: Pick<Look<"redis">, "reply" | "truncated">): string[] {
  const lines = splitLines(textOf(reply)).filter((line) => line !== "");
  return truncated ? lines.slice(0, -1) : lines;
}

/** @throws Error for an answer that is no text */
export function parseInfo(look: Pick<Look<"redis">, "reply" | "truncated">): Info {
  return parseFields(wholeLines(look).join("\n"), ":");
}

/** @throws Error for an answer that is no text */
export function textOf(reply: Reply): string {
  if (typeof reply === "string") return reply;
  throw new Error("expected a text of the server, got something else");
}

/** @throws Error for an answer that is no list */
export function listOf(reply: Reply): Exclude<Reply, string | number | null> {
  if (Array.isArray(reply)) return reply;
  throw new Error("expected a list of the server, got something else");
}

/** A number, or null where this release of the server has none. */
export function numberOf(info: Info, name: string): number | null {
  const text = info.get(name);
  return text === undefined || text === "" ? null : parseNumber(text, name);
}

/** A number that every release of the server has. */
export function countOf(info: Info, name: string): number {
  return parseNumber(info.get(name), name);
}

/** `keys=3,expires=0` by its names. */
export function parsePairs(text: string): Info {
  return parseFields(text.replaceAll(",", "\n"), "=");
}

/** The value of a setting, or null where the server did not tell it. */
export function settingOf(read: Setting): string | null {
  const [, value] = read.ok && Array.isArray(read.reply) ? read.reply : [];
  return typeof value === "string" ? value : null;
}

/** A setting that is a number; null also where it was not told. */
export function numberSetting(read: Setting, what: string): number | null {
  const text = settingOf(read);
  return text === null ? null : parseNumber(text, what);
}

/** How much of the whole, in percent to tenths; 0 of nothing. */
export function percentOf(part: number, whole: number): number {
  return whole <= 0 ? 0 : Math.round((part / whole) * 1000) / 10;
}

export const roundTo = (value: number, digits: number): number => {
  const unit = 10 ** digits;
  return Math.round(value * unit) / unit;
};

/** Whole seconds since a Unix time in seconds; never below 0. */
export const secondsSince = (seconds: number, now: number): number =>
  Math.max(0, Math.round(now / 1000 - seconds));
