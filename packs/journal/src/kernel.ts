import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { missing, priorityName, showMissing, showTime } from "./show-row.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;

export const kernel = probe({
  description:
    "The kernel's own messages, the newest first: disks, file systems, network, hardware, memory. Kept across boots, " +
    "unlike dmesg.",
  params: t.object({
    priority: t.optional(
      t.enumOf(["crit", "err", "warning", "notice", "info", "debug"], {
        description: "this and worse; warning when left out",
      }),
    ),
    limit: t.optional(t.integer({ minimum: 1, maximum: 200 })),
  }),
  result: t.object({
    rows: t.array(
      t.object({
        at: t.string({ description: "ISO 8601, UTC" }),
        priority: t.nullable(t.string()),
        bootId: t.string(),
        message: t.string(),
      }),
    ),
    ...missing,
  }),
  reads: {
    rows: read(sources.kernelRows, {
      with: { priority: param("priority", "warning"), limit: param("limit", DEFAULT_LIMIT) },
    }),
  },
  run({ params, reads }) {
    const { rows } = reads.rows;
    return {
      rows: rows.map(({ at, priority, bootId, message }) => ({
        ...{ at: showTime(at), priority: priorityName(priority), bootId, message },
      })),
      ...showMissing(reads.rows, rows.length >= (params.limit ?? DEFAULT_LIMIT)),
    };
  },
});
