import type { GuestInput, Probe } from "./probe.ts";
import { isRead, type Read } from "./read.ts";
import type { Runbook } from "./runbook.ts";
import type { Source } from "./source.ts";

/** A pack's description of itself. The build turns it into the manifest. */
export type PackDefinition = {
  name: string;
  version: string;
  description: string;
  license: string;
  repository: string;
  engines: { agent: string };
  groups: string[];
  sources: Record<string, unknown>;
  probes: Record<string, unknown>;
  /** Absent when the pack has none. */
  runbook?: Runbook;
};

/** The default export of a `pack.ts`. */
export type Pack = {
  readonly definition: PackDefinition;
  /** Runs one probe over the data that was read. */
  run(probe: string, input: GuestInput): unknown;
};

/**
 * Declares a pack.
 *
 * @param spec.name `publisher/pack`
 * @param spec.groups system groups whose rights the reads need, such as `docker`
 * @param spec.agent range of agent versions, by default the present one
 * @param spec.sources every source that a probe reads, by name, as `import * as sources` gives them
 * @param spec.probes each probe by its name inside the pack, such as `disk.usage`
 * @param spec.runbook which of them to ask together, and what their answers mean
 */
export function pack(spec: {
  name: string;
  version: string;
  description: string;
  license: string;
  repository: string;
  groups?: readonly string[];
  agent?: string;
  sources: Readonly<Record<string, Source>>;
  probes: Readonly<Record<string, Probe>>;
  runbook?: Runbook;
}): Pack {
  const probes = new Map(Object.entries(spec.probes));
  return {
    get definition() {
      const { name, version, description, license, repository } = spec;
      return {
        name,
        version,
        description,
        license,
        repository,
        engines: { agent: spec.agent ?? "^0.1.0" },
        groups: [...(spec.groups ?? [])],
        sources: mapValues(spec.sources, (source) => source.declaration),
        probes: mapValues(spec.probes, (probe) => describeProbe(probe, nameSources(spec.sources))),
        ...(spec.runbook === undefined ? {} : { runbook: spec.runbook }),
      };
    },
    run(name, input) {
      const probe = probes.get(name);
      if (probe === undefined) throw new Error(`expected a probe of this pack, got ${name}`);
      return probe.call(input);
    },
  };
}

function nameSources(sources: Readonly<Record<string, Source>>): Map<Source, string> {
  return new Map(Object.entries(sources).map(([name, source]) => [source, name]));
}

function describeProbe(probe: Probe, names: Map<Source, string>): unknown {
  const { description, capability, params, result } = probe;
  return {
    description,
    capability,
    params,
    result,
    reads: mapValues(probe.reads, (use, read) => declareRead(use, read, names)),
  };
}

function declareRead(use: Source | Read, read: string, names: Map<Source, string>): unknown {
  const source = names.get(isRead(use) ? use.source : use);
  if (source === undefined) {
    throw new Error(`expected the source of read ${read} among the pack's sources, got another`);
  }
  if (!isRead(use)) return { source };
  return {
    source,
    ...(Object.keys(use.with).length === 0 ? {} : { with: use.with }),
    ...(use.optional ? { optional: true } : {}),
    ...(use.forEach === undefined ? {} : { forEach: use.forEach }),
  };
}

function mapValues<T>(
  record: Readonly<Record<string, T>>,
  map: (value: T, name: string) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, map(value, name)]),
  );
}
