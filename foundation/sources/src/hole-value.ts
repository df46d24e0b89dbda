import type { Hole, HoleValue, ProbeManifest } from "@sonde/schemas/manifest";

type ParamSchema = ProbeManifest["params"];

/**
 * True when a literal of the manifest has the hole's type. The agent checks the grammar
 * of strings.
 */
export function literalFits(hole: Hole, value: string | number | boolean): boolean {
  switch (hole.type) {
    case "integer":
      return typeof value === "number" && value >= hole.minimum && value <= hole.maximum;
    case "enum":
      return typeof value === "string" && hole.values.includes(value);
    case "boolean":
      return typeof value === "boolean";
    case "hostname":
    case "unit-name":
    case "container-name":
    case "path-beneath":
    case "dns-name":
    case "database-name":
    case "endpoint":
    case "journal-cursor":
      return typeof value === "string" && /^[A-Za-z0-9_:/[][\x21-\x7e]*$/.test(value);
    case "text":
      return typeof value === "string" && value.length > 0 && value.length <= hole.maxLength;
  }
}

/** True for a hole that no value has to fill. */
export function isOptionalHole(hole: Hole): boolean {
  return "optional" in hole && hole.optional;
}

/**
 * True for a hole that a value which was read may fill: the names and numbers of things on the host.
 * What goes to other hosts, and what is searched for, only a caller chooses.
 */
export function takesFoundValues(hole: Hole): boolean {
  if (isOptionalHole(hole)) return false;
  switch (hole.type) {
    case "integer":
    case "enum":
    case "unit-name":
    case "container-name":
    case "path-beneath":
      return true;
    case "boolean":
    case "hostname":
    case "text":
    case "dns-name":
    case "database-name":
    case "endpoint":
    case "journal-cursor":
      return false;
  }
}

/**
 * Returns why this value cannot always fill the hole, or null. A parameter must exist,
 * have a fitting type, and be required or have an `otherwise`, unless the hole is optional.
 */
export function findMisfit(hole: Hole, value: HoleValue, params: ParamSchema): string | null {
  if ("value" in value) {
    return literalFits(hole, value.value) ? null : `expected a value of type ${hole.type}`;
  }
  if (!("properties" in params)) return "expected params with properties";
  const param = new Map(Object.entries(params.properties)).get(value.param);
  if (param === undefined) return `expected a parameter, got ${value.param}`;
  if (!paramFits(hole, param)) return `expected ${value.param} to be of type ${hole.type}`;
  if (value.otherwise !== undefined) {
    return literalFits(hole, value.otherwise) ? null : `expected otherwise of type ${hole.type}`;
  }
  return params.required.includes(value.param) || isOptionalHole(hole)
    ? null
    : `expected otherwise, since ${value.param} is optional`;
}

function paramFits(hole: Hole, param: ParamSchema): boolean {
  if (!("type" in param)) return false;
  if (hole.type === "integer") return param.type === "integer";
  if (hole.type === "boolean") return param.type === "boolean";
  if (param.type !== "string") return false;
  return hole.type !== "enum" || (param.enum ?? []).every((member) => hole.values.includes(member));
}
