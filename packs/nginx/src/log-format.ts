import { findAll } from "./gather-config.ts";
import type { Directive } from "./parse-config.ts";

/** What nginx writes without a format of its own (ngx_http_log_module). */
const COMBINED = "combined";
const COMBINED_TEXT =
  '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';

/** A format by its name; `text` is null for one that is not in what was read. */
export type LogFormat = { name: string; text: string | null };

/**
 * The formats in which the servers write one log, each once; the common one where none names it.
 *
 * @param path as `/var/log/nginx/access.log`
 */
export function formatsOf(directives: readonly Directive[], path: string): LogFormat[] {
  const logs = findAll(directives, ["access_log"]).filter(({ args }) => args[0] === path);
  // Without a format's name an option such as `buffer=32k` may stand in its place.
  const names = logs.map(({ args }) => ((args[1] ?? "").includes("=") ? undefined : args[1]));
  const formats = findAll(directives, ["log_format"]);
  return [...new Set(names.length === 0 ? [COMBINED] : names.map((name) => name ?? COMBINED))].map(
    (name) => {
      if (name === COMBINED) return { name, text: COMBINED_TEXT };
      const words = formats.find(({ args }) => args[0] === name)?.args.slice(1);
      const text = words?.filter((word) => !word.startsWith("escape=")).join("");
      return { name, text: text ?? null };
    },
  );
}

/** Takes one line apart into the values of the format's variables; null for a line of another form. */
export type LineParser = (line: string) => ReadonlyMap<string, string> | null;

/** Null for a format with two variables side by side, which nobody can take apart. */
export function buildLineParser(format: string): LineParser | null {
  const variables = [...format.matchAll(/\$(?:\{([a-z0-9_]+)\}|([a-z0-9_]+))/g)];
  const start = format.slice(0, variables[0]?.index ?? format.length);
  const parts = variables.map(({ 0: whole, 1: braced, 2: plain, index }, number) => ({
    name: braced ?? plain ?? "",
    end: format.slice(index + whole.length, variables[number + 1]?.index ?? format.length),
  }));
  if (parts.slice(0, -1).some(({ end }) => end === "")) return null;
  return (line) => {
    if (!line.startsWith(start)) return null;
    const values = new Map<string, string>();
    let at = start.length;
    for (const { name, end } of parts) {
      const stop = end === "" ? line.length : findEnd(line, end, at);
      if (stop === -1) return null;
      values.set(name, line.slice(at, stop));
      at = stop + end.length;
    }
    return at === line.length ? values : null;
  };
}

/** An escaped quote is part of the value (`escape=json`). */
function findEnd(line: string, end: string, from: number): number {
  let at = line.indexOf(end, from);
  while (at > 0 && end.startsWith('"') && isEscaped(line, at)) at = line.indexOf(end, at + 1);
  return at;
}

function isEscaped(line: string, at: number): boolean {
  let slashes = 0;
  while (line.charAt(at - 1 - slashes) === "\\") slashes += 1;
  return slashes % 2 === 1;
}

const MONTHS = [
  ...["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
];
const LOCAL = /^(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/;

/** When a request ended, as Unix time in ms; null where the format has no time with a zone. */
export function timeOf(values: ReadonlyMap<string, string>): number | null {
  const seconds = values.get("msec");
  if (seconds !== undefined && /^\d{1,12}(\.\d+)?$/.test(seconds)) return Number(seconds) * 1000;
  const iso = values.get("time_iso8601");
  if (iso !== undefined) return validTime(Date.parse(iso));
  return parseLocalTime(values.get("time_local") ?? "");
}

/** Parses `29/Nov/2026:11:12:00 +0100`. */
export function parseLocalTime(text: string): number | null {
  const found = LOCAL.exec(text);
  if (found === null) return null;
  const [, day, month = "", year, hour, minute, second, sign, zoneHour, zoneMinute] = found;
  const at = Date.UTC(
    ...[Number(year), MONTHS.indexOf(month), Number(day)],
    ...([Number(hour), Number(minute), Number(second)] as [number, number, number]),
  );
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  return validTime(sign === "-" ? at + zone : at - zone);
}

function validTime(at: number): number | null {
  return Number.isFinite(at) ? at : null;
}
