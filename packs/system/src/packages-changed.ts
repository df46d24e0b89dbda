import { probe, t } from "@sonde/pack-sdk/author";
import { splitLines } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;

/** A line of dpkg's log: `2026-11-21 10:00:00 upgrade nginx:amd64 1.22.1-9 1.22.1-9+deb12u1`. */
const LINE = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (install|upgrade|remove|purge) (\S+) (\S+) (\S+)$/;

export const packagesChanged = probe({
  description:
    "Packages that were installed, upgraded or removed, newest first, from the log of dpkg (Debian and its " +
    "kin). Ask this when something broke without a change of your own. Times are local to the host. The log " +
    "is rotated, so incomplete says that there was more before from.",
  params: t.object({
    contains: t.optional(
      t.string({ maxLength: 100, description: "only packages with this in the name" }),
    ),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    from: t.nullable(t.string({ description: "time of the first line that was read" })),
    changeCount: t.integer(),
    changes: t.array(
      t.object({
        at: t.string(),
        action: t.string(),
        package: t.string(),
        from: t.nullable(t.string()),
        to: t.nullable(t.string()),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: { log: sources.packageLog },
  run({ params, reads }) {
    const lines = splitLines(reads.log.text);
    const changes = lines.flatMap((line) => {
      const [, at, action, name, before, after] = LINE.exec(line) ?? [];
      if (at === undefined || action === undefined || name === undefined) return [];
      if (params.contains !== undefined && !name.includes(params.contains)) return [];
      return [{ at, action, package: name, from: orNull(before), to: orNull(after) }];
    });
    const from = lines
      .map((line) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.exec(line)?.[0])
      .find(Boolean);
    return {
      from: from ?? null,
      changeCount: changes.length,
      changes: changes.toReversed().slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: reads.log.truncated,
    };
  },
});

function orNull(version: string | undefined): string | null {
  return version === undefined || version === "<none>" ? null : version;
}
