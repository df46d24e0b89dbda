import { parseJson } from "@sonde/schemas/parse";
import type { JournalData } from "@sonde/schemas/reads";
import { SondeError } from "@sonde/schemas/errors";

type Row = JournalData["rows"][number];
type Fields = ReadonlyMap<string, unknown>;

const NEWLINE = 0x0a;
const UNITS = "BKMGTPE";
const BOOT =
  /^\s*(-?\d+)\s+([0-9a-f]{32})\s+\S+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC[^0-9A-Za-z]+\S+ (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC\s*$/;

/**
 * Parses what `journalctl --output=json` writes, one object in each line. A last line without an end
 * was cut and is left out. A line that is no row is counted.
 */
export function parseRows(bytes: Buffer): Pick<JournalData, "rows" | "unreadableRows"> {
  const rows: Row[] = [];
  let unreadableRows = 0;
  for (let from = 0; ; ) {
    const end = bytes.indexOf(NEWLINE, from);
    if (end === -1) return { rows, unreadableRows };
    const row = parseRow(bytes.subarray(from, end));
    if (row === null) unreadableRows += 1;
    else rows.push(row);
    from = end + 1;
  }
}

function parseRow(line: Buffer): Row | null {
  const fields = parseFields(line);
  const at = Math.floor(Number(textOf(fields.get("__REALTIME_TIMESTAMP"))) / 1000);
  const message = textOf(fields.get("MESSAGE")) ?? "";
  const cursor = textOf(fields.get("__CURSOR"));
  const bootId = textOf(fields.get("_BOOT_ID"));
  if (!Number.isSafeInteger(at) || cursor === undefined || bootId === undefined) return null;
  const pid = integerOf(fields.get("_PID"));
  const priority = integerOf(fields.get("PRIORITY"));
  // Anybody can write UNIT into a row. Only the first process says there of which unit it speaks.
  const about = pid === 1 ? textOf(fields.get("UNIT")) : undefined;
  const unit = about ?? textOf(fields.get("_SYSTEMD_UNIT"));
  const identifier = textOf(fields.get("SYSLOG_IDENTIFIER"));
  return {
    ...{ at, cursor, bootId },
    ...(priority === undefined || priority > 7 ? {} : { priority }),
    ...(unit === undefined ? {} : { unit }),
    ...(identifier === undefined ? {} : { identifier }),
    ...(pid === undefined ? {} : { pid }),
    message,
  };
}

function parseFields(line: Buffer): Fields {
  try {
    const value = parseJson(line, "a row of the journal", "READ_FAILED");
    return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  } catch (error) {
    if (error instanceof SondeError) return new Map();
    throw error;
  }
}

/** A value is a text, the bytes of one that is not printable, or a list of the values of one field. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  if (value.every((item) => Number.isInteger(item))) return Buffer.from(value).toString("utf8");
  return value.map((item) => textOf(item) ?? "").join("\n");
}

function integerOf(value: unknown): number | undefined {
  const text = textOf(value);
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** Parses `journalctl --list-boots --utc`; the newest is the first. */
export function parseBoots(text: string): JournalData["boots"] {
  const boots = text.split("\n").flatMap((line) => {
    const [, offset, bootId, ...times] = BOOT.exec(line) ?? [];
    if (offset === undefined || bootId === undefined) return [];
    const [firstDay, firstTime, lastDay, lastTime] = times;
    const firstAt = Date.parse(`${firstDay}T${firstTime}Z`);
    const lastAt = Date.parse(`${lastDay}T${lastTime}Z`);
    return [{ bootsAgo: Math.abs(Number(offset)), bootId, firstAt, lastAt }];
  });
  if (boots.length === 0) {
    throw new SondeError("READ_FAILED", "expected a list of boots from journalctl, got other text");
  }
  return boots.toSorted((a, b) => a.bootsAgo - b.bootsAgo);
}

/** Parses `Archived and active journals take up 8.0M in the file system.` */
export function parseDiskUsage(text: string): number {
  const [, size, unit = ""] = / take up (\d+(?:\.\d+)?)([BKMGTPE])\b/.exec(text) ?? [];
  if (size === undefined) {
    throw new SondeError("READ_FAILED", "expected a size from journalctl, got other text");
  }
  return Math.round(Number(size) * 1024 ** UNITS.indexOf(unit));
}
