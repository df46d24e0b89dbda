import { buildAlternatives } from "./build-alternatives.ts";
import { buildChoice } from "./build-choice.ts";
import {
  beneath,
  type Check,
  isOfType,
  kindOf,
  type Misfit,
  misfit,
  type Schema,
} from "./misfit.ts";

/** Keywords that any schema may have, and keywords of one type. */
const ANYWHERE = ["type", "enum", "const", "anyOf", "$ref", "$defs", "description"];
const BY_TYPE: ReadonlyMap<string | undefined, readonly string[]> = new Map([
  ["string", ["minLength", "maxLength", "pattern"]],
  ["integer", ["minimum", "maximum"]],
  ["number", ["minimum", "maximum"]],
  ["boolean", []],
  ["null", []],
  ["array", ["items", "prefixItems", "minItems", "maxItems"]],
  [
    "object",
    [
      ...["properties", "required", "patternProperties", "additionalProperties"],
      ...["minProperties", "maxProperties"],
    ],
  ],
  [undefined, []],
]);
const DEFINITION = "#/$defs/";
/** How many known members a sentence names. */
const MAX_NAMED = 20;

/**
 * Builds a check from a JSON Schema in the subset of draft 2020-12 that this project writes. The
 * check never coerces, strips or fills in defaults, and reads only own members of the value. No
 * code is compiled from text, so a process needs no right to generate code.
 *
 * @throws Error when the schema has a keyword or form outside the subset
 */
export function buildCheck(schema: object): Check {
  const root = schema as Schema;
  const definitions = new Map<string, Check>();
  const build = (part: unknown): Check => buildPart(part as Schema, build, find);
  const find = (name: string): Check => {
    const check = definitions.get(name);
    if (check === undefined) throw new Error(`schema: $defs has no ${name}`);
    return check;
  };
  for (const [name, part] of entriesOf(root["$defs"])) definitions.set(name, build(part));
  return build(root);
}

type Build = (part: unknown) => Check;

function buildPart(schema: Schema, build: Build, find: (name: string) => Check): Check {
  const type = schema["type"] as string | undefined;
  const known = BY_TYPE.get(type);
  if (known === undefined) throw new Error(`schema: unknown type ${type}`);
  for (const keyword of Object.keys(schema)) {
    if (!ANYWHERE.includes(keyword) && !known.includes(keyword)) {
      throw new Error(`schema: unknown keyword ${keyword} for type ${type}`);
    }
  }
  const checks: Check[] = [];
  if (type !== undefined) checks.push(buildType(type));
  if (type === "string") checks.push(...buildText(schema));
  if (type === "integer" || type === "number") checks.push(...buildRange(schema));
  if (type === "array") checks.push(...buildList(schema, build));
  if (type === "object") checks.push(...buildMembers(schema, build));
  if ("const" in schema) checks.push(buildChoice([schema["const"]]));
  if ("enum" in schema) checks.push(buildChoice(schema["enum"] as unknown[]));
  if ("anyOf" in schema) {
    const parts = schema["anyOf"] as Schema[];
    checks.push(buildAlternatives(parts, parts.map(build)));
  }
  if ("$ref" in schema) {
    const ref = String(schema["$ref"]);
    if (!ref.startsWith(DEFINITION)) throw new Error(`schema: unknown reference ${ref}`);
    // Resolved on use, because a definition may refer to itself.
    checks.push((value) => find(ref.slice(DEFINITION.length))(value));
  }
  const [only] = checks;
  return checks.length === 1 && only !== undefined ? only : (value) => firstMisfit(checks, value);
}

function firstMisfit(checks: Check[], value: unknown): Misfit | null {
  for (const check of checks) {
    const found = check(value);
    if (found !== null) return found;
  }
  return null;
}

function buildType(type: string): Check {
  return (value) =>
    isOfType(value, type) ? null : misfit(`expected ${type}, got ${kindOf(value)}`);
}

function buildText(schema: Schema): Check[] {
  const checks: Check[] = [];
  const { minLength: least = 0, maxLength: most = Infinity, pattern } = schema as Limits;
  if (least > 0 || most < Infinity) {
    checks.push((value) => {
      const text = value as string;
      if (text.length >= 2 * least && text.length <= most) return null;
      const length = countCharacters(text, most);
      return length >= least && length <= most ? null : misfitSize("characters", least, most);
    });
  }
  if (pattern !== undefined) {
    const expression = new RegExp(pattern, "u");
    checks.push((value) =>
      expression.test(value as string) ? null : misfit(`expected text like ${pattern}`),
    );
  }
  return checks;
}

/**
 * Counts Unicode characters, as JSON Schema does. A text of over twice `enough` UTF-16 units is too
 * long without counting.
 */
function countCharacters(text: string, enough: number): number {
  if (text.length > 2 * enough) return text.length;
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

function buildRange(schema: Schema): Check[] {
  const { minimum = -Infinity, maximum = Infinity } = schema as Limits;
  if (minimum === -Infinity && maximum === Infinity) return [];
  return [
    (value) =>
      (value as number) >= minimum && (value as number) <= maximum
        ? null
        : misfit(`expected a number from ${minimum} to ${maximum}`),
  ];
}

function buildList(schema: Schema, build: Build): Check[] {
  const checks: Check[] = [];
  const { minItems: least = 0, maxItems: most = Infinity } = schema as Limits;
  const first = ((schema["prefixItems"] ?? []) as unknown[]).map(build);
  const limit = schema["items"] === false ? Math.min(most, first.length) : most;
  const rest = isSchema(schema["items"]) ? build(schema["items"]) : null;
  if (least > 0 || limit < Infinity) {
    checks.push((value) => {
      const { length } = value as unknown[];
      return length >= least && length <= limit ? null : misfitSize("items", least, limit);
    });
  }
  if (first.length > 0 || rest !== null) {
    checks.push((value) => {
      for (const [index, item] of (value as unknown[]).entries()) {
        const found = (first[index] ?? rest)?.(item) ?? null;
        if (found !== null) return beneath(String(index), found);
      }
      return null;
    });
  }
  return checks;
}

function buildMembers(schema: Schema, build: Build): Check[] {
  const { minProperties: least = 0, maxProperties: most = Infinity } = schema as Limits;
  const required = (schema["required"] ?? []) as string[];
  const named = new Map(entriesOf(schema["properties"]).map(([name, part]) => [name, build(part)]));
  const patterns = entriesOf(schema["patternProperties"]).map(
    ([pattern, part]) => [new RegExp(pattern, "u"), build(part)] as const,
  );
  const isClosed = schema["additionalProperties"] === false;
  const others = isSchema(schema["additionalProperties"])
    ? build(schema["additionalProperties"])
    : null;
  const unknownMember = describeUnknown([...named.keys()]);

  const checkMember = (name: string, member: unknown): Misfit | null => {
    const own = named.get(name);
    let isKnown = own !== undefined;
    // A declared member with the value undefined counts as absent.
    let found = member === undefined && isKnown ? null : (own?.(member) ?? null);
    for (const [pattern, check] of patterns) {
      if (found !== null || !pattern.test(name)) continue;
      isKnown = true;
      found = check(member);
    }
    if (found !== null || isKnown) return found;
    return isClosed ? unknownMember : (others?.(member) ?? null);
  };

  return [
    (value) => {
      const members = value as Record<string, unknown>;
      for (const name of required) {
        if (!Object.hasOwn(members, name) || members[name] === undefined) {
          return misfit(`expected a member ${name}`);
        }
      }
      const names = Object.keys(members);
      if (names.length < least || names.length > most) return misfitSize("members", least, most);
      for (const name of names) {
        const found = checkMember(name, members[name]);
        if (found !== null) return beneath(name, found);
      }
      return null;
    },
  ];
}

type Limits = {
  [K in "minLength" | "maxLength" | "minimum" | "maximum"]?: number;
} & { [K in "minItems" | "maxItems" | "minProperties" | "maxProperties"]?: number } & {
  pattern?: string;
};

function isSchema(part: unknown): part is Schema {
  return typeof part === "object" && part !== null;
}

function entriesOf(part: unknown): [string, unknown][] {
  return part === undefined ? [] : Object.entries(part as Schema);
}

function describeUnknown(known: string[]): Misfit {
  const first = known.slice(0, MAX_NAMED).join(", ");
  const others = known.length > MAX_NAMED ? ` and ${known.length - MAX_NAMED} more` : "";
  const sentence = `expected no such member, the known ones are ${first || "none"}${others}`;
  return { path: [], sentence, isUnknownMember: true };
}

function misfitSize(what: string, least: number, most: number): Misfit {
  const limit = most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  return misfit(`expected ${limit} ${what}`);
}
