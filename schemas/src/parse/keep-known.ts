import { buildCheck } from "./build-check.ts";
import type { Schema } from "./misfit.ts";

/** Takes a value that fits the schema. */
type Keep = (value: unknown) => unknown;

const whole: Keep = (value) => value;

/**
 * Builds a function that reads, of a value that fits an open schema, what the schema describes: a
 * copy without the members that it does not name. A part that takes any value is kept whole.
 */
export function buildKeepKnown(schema: object): Keep {
  const part = schema as Schema;
  if ("anyOf" in part) return keepAlternative(part["anyOf"] as Schema[]);
  if (part["type"] === "array") return keepItems(part["items"] as Schema);
  if (part["type"] === "object") return keepMembers(part);
  return whole;
}

function keepAlternative(parts: Schema[]): Keep {
  const keeps = parts.map(buildKeepKnown);
  if (keeps.every((keep) => keep === whole)) return whole;
  const checks = parts.map(buildCheck);
  return (value) => keeps[checks.findIndex((check) => check(value) === null)]?.(value);
}

function keepItems(items: Schema): Keep {
  const keep = buildKeepKnown(items);
  return keep === whole ? whole : (value) => (value as unknown[]).map(keep);
}

function keepMembers(schema: Schema): Keep {
  const named = new Map(
    Object.entries((schema["properties"] ?? {}) as Schema).map(([name, part]) => [
      name,
      buildKeepKnown(part as Schema),
    ]),
  );
  const { patternProperties: patterns, additionalProperties: others } = schema;
  // A record: its members have no names of ours.
  if (named.size === 0 && patterns !== undefined) return whole;
  const rest = typeof others === "object" && others !== null ? whole : undefined;
  return (value) =>
    // Object.fromEntries makes an own member of `__proto__` too.
    Object.fromEntries(
      Object.entries(value as Schema).flatMap(([name, member]) => {
        const keep = named.get(name) ?? rest;
        return keep === undefined ? [] : [[name, keep(member)]];
      }),
    );
}
