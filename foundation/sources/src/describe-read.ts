import type { Source } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import {
  type HoleText,
  filledWith,
  renderArgv,
  renderRequestTarget,
  renderTemplate,
} from "./render-source.ts";

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
  return (describeSource(source, textOf) + often).slice(0, MAX_LINE);
}

function describeSource(source: Source, textOf: HoleText): string {
  switch (source.kind) {
    case "file": {
      const part = source.tailBytes === undefined ? "" : ` (last ${source.tailBytes} bytes)`;
      return `file ${quote(renderTemplate(source.path, textOf))}${part}`;
    }
    case "directory": {
      const entry = source.names === "numeric" ? "[0-9]+" : "*";
      const child = source.child === undefined ? "" : `/${source.child}`;
      return `directory ${quote(renderTemplate(source.path, textOf))}/${entry}${child}`;
    }
    case "filesystem":
      return "statfs of every mount";
    case "exec":
      return ["exec", source.command, ...renderArgv(source, textOf).map(quote)].join(" ");
    case "http":
      return `GET ${quote(describeTarget(source, textOf))} over unix:${source.socket}`;
  }
}

function describeTarget(source: Extract<Source, { kind: "http" }>, textOf: HoleText): string {
  // Percent-encoding would hide the `<name>` of an unfilled hole.
  return renderRequestTarget(source, textOf).replaceAll("%3C", "<").replaceAll("%3E", ">");
}

/** An approver must see where an argument ends; nothing invisible or bidirectional may pass. */
function quote(text: string): string {
  if (/^[A-Za-z0-9_.,:;=@%+/<>?&~^*[\]-]+$/.test(text)) return text;
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
