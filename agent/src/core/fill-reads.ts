import {
  type FilledRead,
  type HoleValue,
  type Manifest,
  type Read,
  SondeError,
  type Source,
} from "@sonde/schemas";
import { checkHole } from "./check-hole.ts";
import {
  type HoleText,
  filledWith,
  renderArgv,
  renderRequestTarget,
  renderTemplate,
} from "./render-source.ts";

/**
 * Decides exactly what a call will read: every declared read of the probe with
 * every hole of its source filled and checked.
 *
 * @param params the caller's parameters, already checked against the probe's schema
 * @throws SondeError PROBE_UNKNOWN; PARAMS_INVALID when a value is missing or outside
 *   its hole's grammar; MANIFEST_INVALID when the manifest contradicts itself
 */
export function fillReads(
  manifest: Manifest,
  probeName: string,
  params: Record<string, unknown>,
): FilledRead[] {
  const probe = ownValue(manifest.probes, probeName);
  if (probe === undefined) {
    throw new SondeError("PROBE_UNKNOWN", `${manifest.name} has no probe ${probeName}`);
  }
  return Object.entries(probe.reads).map(([name, read]) => {
    const source = ownValue(manifest.sources, read.source);
    if (source === undefined) {
      throw new SondeError("MANIFEST_INVALID", `${probeName}.${name}: names no source`);
    }
    return { name, source, values: fillHoles(source, read, params, name) };
  });
}

function fillHoles(
  source: Source,
  read: Read,
  params: Record<string, unknown>,
  where: string,
): Record<string, string> {
  const holes = source.holes ?? {};
  const fillings = read.with ?? {};
  const stray = Object.keys(fillings).find((name) => !Object.hasOwn(holes, name));
  if (stray !== undefined) {
    throw new SondeError("MANIFEST_INVALID", `${where}: the source has no hole ${stray}`);
  }
  return Object.fromEntries(
    Object.entries(holes).map(([name, hole]) => {
      const filling = ownValue(fillings, name);
      if (filling === undefined) {
        throw new SondeError("MANIFEST_INVALID", `${where}: nothing fills the hole ${name}`);
      }
      return [name, checkHole(hole, valueOf(filling, params), `${where}.${name}`)];
    }),
  );
}

function valueOf(filling: HoleValue, params: Record<string, unknown>): unknown {
  if ("value" in filling) return filling.value;
  return ownValue(params, filling.param) ?? filling.otherwise;
}

/** Never reaches a prototype, whatever the name (attack class 48). */
function ownValue<T>(record: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

const MAX_LINE = 2000;

/**
 * What a read does, in one line of printable ASCII: the exact file, argv or
 * request. One function for explain, traces and audit, so that what a person
 * approved and what was logged read alike. A bare source shows its holes as `<name>`.
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
