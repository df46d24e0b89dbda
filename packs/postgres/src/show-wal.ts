import { t } from "@sonde/pack-sdk/author";
import { numberOf, type Row, textOf } from "@sonde/pack-sdk/parse";
import { isTrue } from "./show.ts";

export const slot = {
  name: t.string(),
  type: t.string(),
  database: t.nullable(t.string()),
  active: t.boolean(),
  walStatus: t.nullable(t.string(), {
    description: "reserved, extended, unreserved, lost",
  }),
  keptBytes: t.nullable(t.integer(), { description: "of WAL, on this server's disk" }),
};

export function showSlot(row: Row) {
  return {
    name: textOf(row, "name"),
    type: textOf(row, "slot_type"),
    database: row["database"] ?? null,
    active: isTrue(row, "active"),
    walStatus: row["wal_status"] ?? null,
    keptBytes: numberOf(row, "kept_bytes"),
  };
}

export const archiving = {
  mode: t.string({ description: "off, on, always" }),
  archivedCount: t.integer(),
  failedCount: t.integer(),
  archivedSecondsAgo: t.nullable(t.integer()),
  failedSecondsAgo: t.nullable(t.integer()),
  isFailing: t.boolean({ description: "the last attempt failed" }),
};

export function showArchiving(row: Row) {
  const [archived, failed] = [numberOf(row, "archived_ago"), numberOf(row, "failed_ago")];
  return {
    mode: textOf(row, "archive_mode"),
    archivedCount: numberOf(row, "archived_count") ?? 0,
    failedCount: numberOf(row, "failed_count") ?? 0,
    archivedSecondsAgo: archived,
    failedSecondsAgo: failed,
    isFailing: failed !== null && (archived === null || failed < archived),
  };
}
