import { SondeError } from "@sonde/schemas/errors";
import {
  type ForEach,
  type HoleValue,
  type Manifest,
  type Read,
  type Source,
} from "@sonde/schemas/manifest";
import { type FilledRead } from "@sonde/schemas/reads";
import { checkHole } from "./check-hole.ts";

/** A read that is done once for each value that another one finds. That hole has no value yet. */
export type LaterRead = FilledRead & { forEach: ForEach };

/**
 * Computes exactly what a call will read at once: every read that the probe declares without
 * `forEach`, with every hole of its source filled and checked; and what it will read for each of the
 * values that are found then.
 *
 * @param params the caller's parameters, already checked against the probe's schema
 * @throws SondeError PROBE_UNKNOWN; PARAMS_INVALID when a value is missing or outside its
 *   hole's grammar; MANIFEST_INVALID when the manifest contradicts itself
 */
export function planReads(
  manifest: Manifest,
  probeName: string,
  params: Record<string, unknown>,
): { now: FilledRead[]; later: LaterRead[] } {
  const probe = ownValue(manifest.probes, probeName);
  if (probe === undefined) {
    throw new SondeError("PROBE_UNKNOWN", `${manifest.name} has no probe ${probeName}`);
  }
  const now: FilledRead[] = [];
  const later: LaterRead[] = [];
  for (const [name, read] of Object.entries(probe.reads)) {
    const source = ownValue(manifest.sources, read.source);
    if (source === undefined) {
      throw new SondeError("MANIFEST_INVALID", `${probeName}.${name}: names no source`);
    }
    const filled = { name, source, values: fillHoles(source, read, params, name) };
    if (read.forEach === undefined) now.push(filled);
    else later.push({ ...filled, forEach: read.forEach });
  }
  return { now, later };
}

function fillHoles(
  source: Source,
  read: Read,
  params: Record<string, unknown>,
  where: string,
): Record<string, string> {
  const { [read.forEach?.hole ?? ""]: _later, ...holes } = source.holes ?? {};
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

/** Looks up own members only, so that no name reaches a prototype (attack class 48). */
function ownValue<T>(record: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
