import type { Failure } from "@sonde/pack-sdk/author";
import { parseNumber, type Row } from "@sonde/pack-sdk/parse";

type Look = { ok: true; records: Row[] } | { ok: false; failure: Failure };

/** What the server counts and is set to, by names in small letters. */
export type Counters = {
  /** Null where this server has none of that name. */
  number: (name: string) => number | null;
  text: (name: string) => string;
  isOn: (name: string) => boolean;
};

export const isMariadb = (version: string): boolean => version.includes("MariaDB");

/**
 * Chooses what the present server has of two reads of the same.
 *
 * @throws Error when it could not be read
 */
export function pick(version: string, mariadb: Look, mysql: Look): Row[] {
  const look = isMariadb(version) ? mariadb : mysql;
  if (look.ok) return look.records;
  throw new Error(`${look.failure.code}: ${look.failure.message}`);
}

export function toCounters(records: readonly Row[]): Counters {
  const values = new Map(records.map(({ name, value }) => [name ?? "", value ?? ""]));
  const text = (name: string): string => values.get(name) ?? "";
  return {
    text,
    number: (name) => (values.has(name) ? parseNumber(text(name), name) : null),
    isOn: (name) => ["ON", "1"].includes(text(name).toUpperCase()),
  };
}
