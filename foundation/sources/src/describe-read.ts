import type { Source } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { rulesOf } from "./kinds.ts";
import { type HoleText, filledWith } from "./render-template.ts";

const MAX_LINE = 2000;

/**
 * What a read does, in one line of printable ASCII: the exact file, argv or
 * request. One function for explain, traces, audit and the registry's pages, so that what a
 * person chose, what they approved and what was logged read alike. A bare source shows its holes as `<name>`.
 */
export function describeRead(read: FilledRead | Source): string {
  const [source, textOf] =
    "source" in read
      ? [read.source, filledWith(read.values)]
      : [read, ((hole: string) => `<${hole}>`) satisfies HoleText];
  const samples = source.samples;
  const often = samples ? ` (${samples.count} times, ${samples.intervalMs} ms apart)` : "";
  return (rulesOf(source).describe(source, textOf) + often).slice(0, MAX_LINE);
}

/** What a kind of source does to a host, in words; the exact read stands beside it. */
export function titleOf(source: Source): string {
  return rulesOf(source).title;
}
