import { parseFields } from "@sonde/pack-sdk/parse";

/** The properties of one unit, as `systemctl show` prints them. */
export type Unit = ReadonlyMap<string, string>;

export type Units = {
  units: Unit[];
  /** The list was cut. */
  incomplete: boolean;
  /** Units without a name. */
  unreadableCount: number;
};

const UNSET = new Set(["", "[not set]", "infinity", "18446744073709551615"]);

/** Parses the output of `systemctl show`: a paragraph for each unit. What a cap cut short is left out. */
export function parseUnits(look: { stdout: string; truncated: boolean }): Units {
  const paragraphs = look.stdout.split(/\n{2,}/).filter((text) => text.trim() !== "");
  if (look.truncated) paragraphs.pop();
  const all = paragraphs.map((text) => parseFields(text, "="));
  const units = all.filter((unit) => textOf(unit, "Id") !== null);
  return {
    units,
    incomplete: look.truncated,
    unreadableCount: all.length - units.length,
  };
}

/** Null of a property that is not set. */
export function textOf(unit: Unit, property: string): string | null {
  return unit.get(property) || null;
}

/** Null of a number that is not set, or is no limit. */
export function numberOf(unit: Unit, property: string): number | null {
  const text = unit.get(property) ?? "";
  const number = UNSET.has(text) ? Number.NaN : Number(text);
  return Number.isSafeInteger(number) ? number : null;
}

/** A time such as `Sun 2026-11-29 07:16:31 UTC` as ISO 8601; null of one that has not come. */
export function timeOf(unit: Unit, property: string): string | null {
  const [, day, time] =
    /^\w+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/.exec(unit.get(property) ?? "") ?? [];
  return day === undefined ? null : `${day}T${time}Z`;
}

const ENDS = new Map([
  ["1", "exit code"],
  ["2", "signal"],
  ["3", "core dump, signal"],
]);

/** How the main process of a service ended last, such as `exit code 3`; null while none has. */
export function endOf(unit: Unit): string | null {
  const way = ENDS.get(unit.get("ExecMainCode") ?? "");
  return way === undefined ? null : `${way} ${unit.get("ExecMainStatus")}`;
}

/** The words of a list. systemd quotes a word that has a blank or a backslash, as C does. */
export function listOf(unit: Unit, property: string): string[] {
  const words = (unit.get(property) ?? "").matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g);
  return [...words].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replace(/\\(.)/g, "$1"),
  );
}
