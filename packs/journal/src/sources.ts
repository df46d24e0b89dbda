import { hole, source } from "@sonde/pack-sdk/author";

const PRIORITIES = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
const minutes = (name: string) =>
  hole.integer(name, { minimum: 1, maximum: 527040, optional: true });

export const rows = source.journal({
  newest: hole.integer("limit", { minimum: 1, maximum: 200 }),
  unit: hole.unitName("unit", { optional: true }),
  priority: hole.enumOf("priority", PRIORITIES, { optional: true }),
  sinceMinutesAgo: minutes("sinceMinutes"),
  contains: hole.text("text", { maxLength: 200, optional: true }),
  ignoreCase: true,
  bootsAgo: hole.integer("bootsAgo", { minimum: 0, maximum: 1000, optional: true }),
  before: hole.journalCursor("before", { optional: true }),
  maxBytes: 524288,
  timeoutMs: 20000,
});
export const errorRows = source.journal({
  newest: 2000,
  unit: hole.unitName("unit", { optional: true }),
  priority: hole.enumOf("priority", PRIORITIES),
  sinceMinutesAgo: hole.integer("sinceMinutes", { minimum: 1, maximum: 527040 }),
  maxBytes: 2097152,
  timeoutMs: 20000,
});
export const kernelRows = source.journal({
  newest: hole.integer("limit", { minimum: 1, maximum: 200 }),
  priority: hole.enumOf("priority", PRIORITIES),
  kernelOnly: true,
  maxBytes: 262144,
});
export const killRows = source.journal({
  newest: 500,
  contains: "Killed process",
  kernelOnly: true,
  maxBytes: 524288,
  timeoutMs: 20000,
});
export const bootList = source.journal({ show: "boots", timeoutMs: 20000 });
export const diskUsage = source.journal({ show: "disk-usage", maxBytes: 4096 });
