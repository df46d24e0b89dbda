import type { ForEach, Read, Source } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import type { LaterRead } from "./fill-reads.ts";
import { rulesOf } from "./kinds.ts";
import { type HoleText, filledWith } from "./render-template.ts";

const MAX_LINE = 2000;

/**
 * Describes a read in one line of printable ASCII: the exact file, argv or request.
 * Explain, traces, audit log and the registry's pages all use this function, so that
 * people see the same text for what they chose, approved and logged. A bare source shows
 * its holes as `<name>`, and so does a read whose values are yet to be found.
 */
export function describeRead(read: FilledRead | LaterRead | Source): string {
  const [source, textOf, forEach] =
    "source" in read
      ? [read.source, textIn(read), "forEach" in read ? read.forEach : undefined]
      : [read, bare];
  return describe(source, textOf, forEach);
}

/** Describes a read that a probe declares, with its source's holes as `<name>`. */
export function describeUse(source: Source, { forEach }: Read): string {
  return describe(source, bare, forEach);
}

const bare: HoleText = (hole) => `<${hole}>`;

function textIn(read: FilledRead | LaterRead): HoleText {
  const textOf = filledWith(read.values);
  if (!("forEach" in read)) return textOf;
  return (hole) => (hole === read.forEach.hole ? bare(hole) : textOf(hole));
}

function describe(source: Source, textOf: HoleText, forEach: ForEach | undefined): string {
  const samples = source.samples;
  const often = samples ? ` (${samples.count} times, ${samples.intervalMs} ms apart)` : "";
  const each =
    forEach === undefined
      ? ""
      : `, for each <${forEach.hole}> at ${forEach.at} of ${forEach.read}, at most ${forEach.atMost}`;
  return (rulesOf(source).describe(source, textOf) + often + each).slice(0, MAX_LINE);
}

/** Describes in words what a kind of source does to a host. Shown beside the exact read. */
export function titleOf(source: Source): string {
  return rulesOf(source).title;
}
