import { probe, t } from "@sonde/pack-sdk/author";
import { showTime } from "./show-row.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const boots = probe({
  description:
    "When this host booted, the newest first, and when each boot's last row was written: a host that crashed has no " +
    "shutdown among the last rows (journal_query with bootsAgo).",
  params: t.object({ limit: t.optional(t.integer({ minimum: 1, maximum: 200 })) }),
  result: t.object({
    boots: t.array(
      t.object({
        bootsAgo: t.integer({ description: "0 is the present boot" }),
        bootId: t.string(),
        firstAt: t.string({ description: "ISO 8601, UTC, to the second" }),
        lastAt: t.string(),
      }),
    ),
    bootCount: t.integer({ description: "in the journal" }),
    incomplete: t.boolean({ description: "the list was cut" }),
    warnings: t.string({ description: "of journalctl; usually empty" }),
  }),
  reads: { list: sources.bootList },
  run({ params, reads: { list } }) {
    return {
      boots: list.boots.slice(0, params.limit ?? DEFAULT_LIMIT).map((boot) => ({
        bootsAgo: boot.bootsAgo,
        bootId: boot.bootId,
        firstAt: showTime(boot.firstAt),
        lastAt: showTime(boot.lastAt),
      })),
      bootCount: list.boots.length,
      incomplete: list.truncated,
      warnings: list.warnings,
    };
  },
});
