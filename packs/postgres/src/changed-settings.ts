import { probe, t } from "@sonde/pack-sdk/author";
import { textOf } from "@sonde/pack-sdk/parse";
import { isTrue } from "./show.ts";
import * as sources from "./sources.ts";

export const changedSettings = probe({
  description:
    "Settings of a PostgreSQL server that differ from its defaults, where each was set, and which wait for a restart. " +
    "Without those whose values may be commands, keys or connections.",
  result: t.object({
    settings: t.array(
      t.object({
        name: t.string(),
        value: t.string(),
        unit: t.nullable(t.string()),
        default: t.nullable(t.string()),
        source: t.string({ description: "configuration file, command line, database, user ..." }),
        waitsForRestart: t.boolean({ description: "value is still the old one" }),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: { settings: sources.changedSettings },
  run({ reads: { settings } }) {
    return {
      settings: settings.records.map((row) => ({
        name: textOf(row, "name"),
        value: textOf(row, "setting"),
        unit: row["unit"] ?? null,
        default: row["boot_val"] ?? null,
        source: textOf(row, "source"),
        waitsForRestart: isTrue(row, "pending_restart"),
      })),
      incomplete: settings.truncated,
    };
  },
});
