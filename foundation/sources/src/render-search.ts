import type { JournalSource, LinesSource } from "@sonde/schemas/manifest";
import type { HoleText } from "./render-template.ts";
import { renderSetting } from "./setting.ts";

type SearchSource = Pick<LinesSource | JournalSource, "newest" | "contains" | "ignoreCase">;

/** The settings of a search as texts; empty for one that was left out. */
export function renderSearch({ newest, contains, ignoreCase }: SearchSource, textOf: HoleText) {
  return {
    newest: renderSetting(newest, textOf),
    contains: renderSetting(contains, textOf),
    ignoreCase: renderSetting(ignoreCase, textOf),
  };
}
