import type { Hole } from "@sonde/schemas/manifest";
import type { HoleText } from "./render-template.ts";
import type { Setting } from "./source-rules.ts";

type Value = string | number | boolean | { hole: string } | undefined;

/** Keeps the settings that a hole fills. */
export function settingsOf(...values: [Value, Hole["type"]][]): Setting[] {
  return values.flatMap(([value, type]) =>
    typeof value === "object" ? [{ hole: value.hole, type }] : [],
  );
}

/** Renders one setting; an absent one is empty. */
export function renderSetting(value: Value, textOf: HoleText): string {
  return typeof value === "object" ? textOf(value.hole) : String(value ?? "");
}
