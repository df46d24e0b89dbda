import type { Source } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { rulesOf } from "./kinds.ts";
import { type HoleText, filledWith } from "./render-template.ts";

const MAX_LINE = 2000;

/**
 * Describes a read in one line of printable ASCII: the exact file, argv or request.
 * Explain, traces, audit log and the registry's pages all use this function, so that
 * people see the same text for what they chose, approved and logged. A bare source shows
 * its holes as `<name>`.
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

/** Describes in words what a kind of source does to a host. Shown beside the exact read. */
export function titleOf(source: Source): string {
  return rulesOf(source).title;
}
