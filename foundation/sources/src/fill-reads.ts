import { SondeError } from "@sonde/schemas/errors";
import { type HoleValue, type Manifest, type Read, type Source } from "@sonde/schemas/manifest";
import { type FilledRead } from "@sonde/schemas/reads";
import { checkHole } from "./check-hole.ts";

/**
 * Computes exactly what a call will read: every read that the probe declares, with every
 * hole of its source filled and checked.
 *
 * @param params the caller's parameters, already checked against the probe's schema
 * @throws SondeError PROBE_UNKNOWN; PARAMS_INVALID when a value is missing or outside its
 *   hole's grammar; MANIFEST_INVALID when the manifest contradicts itself
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

/** Looks up own members only, so that no name reaches a prototype (attack class 48). */
function ownValue<T>(record: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
