import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { buildCheck } from "./build-check.ts";
import * as agent from "../agent-api.ts";
import * as audit from "../audit.ts";
import * as hub from "../hub-api.ts";
import * as manifest from "../manifest/index.ts";
import * as allNames from "../names.ts";
import * as reads from "../reads.ts";
import * as registry from "../registry/index.ts";
import * as trust from "../trust/index.ts";
import * as wire from "../wire/index.ts";
import { checkValueSchema } from "../manifest/value-schema.ts";

// Compares our check with Ajv in strict mode: on our own shapes and on thousands of generated pack
// schemas, each with values that fit, nearly fit and do not fit.

type Schema = Record<string, unknown>;
const SEED = 20261121;

/** Mulberry32, a seeded generator: the same numbers in every run. */
function createDice(seed: number) {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(next() * count);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  return { below, pick, chance: (share: number) => next() < share };
}
const dice = createDice(SEED);

const TEXTS = [
  ...[
    "",
    "a",
    "ab",
    "docker",
    "a\nb",
    "𝒳𝒴",
    "é",
    "\ud800",
    "__proto__",
    "web-1",
    "/proc/stat",
    "1.2.3",
  ],
  ...["acme/hello", "greet", "x".repeat(43), "x".repeat(101), "acme/hello.greet", "observe", "123"],
  ...[`sha256:${"a".repeat(64)}`, "a".repeat(64), "8f14e45f-ceea-467f-a830-0fd2b1a2c3d4"],
  ...["2026-01-01T00:00:00.000Z", "https://example.com", "A sentence with its end."],
  ...["SHA2_256", "application/vnd.dev.sigstore.trustedroot.v0.1+json"],
  `registry.example/log+0123abcd+${"A".repeat(44)}`,
  `${"A".repeat(43)}=`,
];
const NUMBERS = [0, 1, -1, 2, 3, 0.5, 7, 40, 100, 65536, 1e-7, 1e21, Number.MAX_SAFE_INTEGER];
const NAMES = ["a", "b", "name", "type", "kind", "a\nb", "__proto__", "x".repeat(41)];

/** A random small JSON value. */
function anyValue(depth = 2): unknown {
  const kind = dice.below(depth === 0 ? 5 : 7);
  if (kind === 0) return null;
  if (kind === 1) return dice.chance(0.5);
  if (kind === 2) return dice.pick(NUMBERS);
  if (kind <= 4) return dice.pick(TEXTS);
  if (kind === 5) return Array.from({ length: dice.below(3) }, () => anyValue(depth - 1));
  return JSON.parse(
    `{${Array.from({ length: dice.below(3) }, () => `${JSON.stringify(dice.pick(NAMES))}:${JSON.stringify(anyValue(depth - 1))}`).join(",")}}`,
  );
}

/** The probability that a part is made wrong. It differs between values. */
let noise = 0;

/** A value that fits, except for the parts that the noise made wrong. */
function valueFor(schema: Schema, root: Schema, depth = 0): unknown {
  if (dice.chance(noise) || depth > 12) return anyValue();
  if ("const" in schema) return schema["const"];
  if ("enum" in schema) return dice.pick(schema["enum"] as unknown[]);
  if ("anyOf" in schema) return valueFor(dice.pick(schema["anyOf"] as Schema[]), root, depth + 1);
  if ("$ref" in schema) {
    const name = String(schema["$ref"]).slice("#/$defs/".length);
    return valueFor((root["$defs"] as Record<string, Schema>)[name] ?? {}, root, depth + 1);
  }
  switch (schema["type"]) {
    case "string":
      return textFor(schema);
    case "integer":
    case "number":
      return numberFor(schema);
    case "boolean":
      return dice.chance(0.5);
    case "null":
      return null;
    case "array": {
      const first = (schema["prefixItems"] ?? []) as Schema[];
      const fixed = first.map((part) => valueFor(part, root, depth + 1));
      const item = schema["items"];
      if (typeof item !== "object") return dice.chance(noise) ? [...fixed, anyValue()] : fixed;
      const least = (schema["minItems"] as number | undefined) ?? 0;
      const count = dice.chance(noise) ? dice.below(25) : least + dice.below(2);
      return [
        ...fixed,
        ...Array.from({ length: count }, () => valueFor(item as Schema, root, depth + 1)),
      ];
    }
    case "object":
      return objectFor(schema, root, depth);
    default:
      return anyValue();
  }
}

function textFor(schema: Schema): string {
  const { minLength = 0, maxLength = 100 } = schema as { minLength?: number; maxLength?: number };
  const pattern = new RegExp((schema["pattern"] as string | undefined) ?? "", "u");
  const fitting = TEXTS.filter(
    (text) => pattern.test(text) && text.length >= minLength && text.length <= maxLength,
  );
  if (fitting.length > 0 && !dice.chance(noise)) return dice.pick(fitting);
  // Lengths at a limit and one above it, with characters of one and of two UTF-16 units.
  const length = dice.pick([minLength, Math.min(maxLength, 70_000)]) + dice.below(3) - 1;
  return dice.pick(["x", "𝒳"]).repeat(Math.max(0, length));
}

function numberFor(schema: Schema): number {
  const { minimum = 0, maximum = 1 } = schema as { minimum?: number; maximum?: number };
  if (!dice.chance(noise)) return dice.pick([minimum, maximum]);
  return dice.pick([minimum - 1, maximum + 1, minimum + 0.5, ...NUMBERS]);
}

function objectFor(schema: Schema, root: Schema, depth: number): unknown {
  const required = new Set(schema["required"] as string[] | undefined);
  const members: [string, unknown][] = [];
  for (const [name, part] of Object.entries(
    (schema["properties"] ?? {}) as Record<string, Schema>,
  )) {
    const wanted = required.has(name) ? !dice.chance(noise) : dice.chance(0.6);
    if (wanted) members.push([name, valueFor(part, root, depth + 1)]);
  }
  const patterns = Object.entries((schema["patternProperties"] ?? {}) as Record<string, Schema>);
  const [pattern, open] = patterns[0] ?? [".", schema["additionalProperties"]];
  const names = NAMES.filter((name) => dice.chance(noise) || new RegExp(pattern, "u").test(name));
  for (let count = dice.below(3); typeof open === "object" && count > 0; count--) {
    members.push([dice.pick(names), valueFor(open as Schema, root, depth + 1)]);
  }
  if (dice.chance(noise)) members.push([dice.pick(NAMES), anyValue()]);
  // Parsed from text, as on the wire: a member called __proto__ is then an ordinary own member.
  return JSON.parse(
    `{${members.map(([name, member]) => `${JSON.stringify(name)}:${JSON.stringify(member)}`).join(",")}}`,
  );
}

const strict = () => new Ajv2020({ strict: true, allowUnionTypes: true });

/**
 * Counts accepted and refused values. Throws at the first value on which the two checks disagree.
 */
function compare(schema: Schema, values: number): { fits: number; misfits: number } {
  const reference = strict().compile(schema);
  const check = buildCheck(schema);
  const counted = { fits: 0, misfits: 0 };
  for (let index = 0; index < values; index++) {
    noise = dice.pick([0, 0.02, 0.1]);
    const value = dice.chance(0.1) ? anyValue() : valueFor(schema, schema);
    const fits = check(value) === null;
    if (fits !== reference(value)) {
      throw new Error(
        `Ajv says ${!fits} to ${JSON.stringify(value).slice(0, 2000)} under ${JSON.stringify(schema).slice(0, 2000)}`,
      );
    }
    counted[fits ? "fits" : "misfits"] += 1;
  }
  return counted;
}

/** Parts of the manifest refer to its `$defs`, so they are checked together with it. */
const isWhole = (schema: object): boolean =>
  Object.hasOwn(schema, "$defs") || !JSON.stringify(schema).includes('"$ref"');
const SHAPES = Object.entries({
  ...{ ...agent, ...audit, ...hub, ...manifest, ...allNames },
  ...{ ...reads, ...registry, ...trust, ...wire },
}).filter(
  (entry): entry is [string, Schema & (typeof entry)[1]] =>
    typeof entry[1] === "object" && Object.hasOwn(entry[1], "~kind") && isWhole(entry[1]),
);

test("for every shape of the project, our check agrees with Ajv", () => {
  expect(SHAPES.length).toBeGreaterThan(40);
  const counted = SHAPES.map(([name, schema]) => ({ name, ...compare(schema, 300) }));
  // A shape that nothing or everything fits would prove nothing.
  expect(counted.filter(({ fits }) => fits < 5)).toEqual([]);
  expect(counted.filter(({ misfits }) => misfits < 5)).toEqual([]);
}, 60_000);

function anyValueSchema(depth: number): manifest.ValueSchema {
  switch (dice.below(depth <= 0 ? 4 : 8)) {
    case 0:
      return { type: "string", ...(dice.chance(0.5) && { maxLength: 1 + dice.below(5) }) };
    case 1:
      return {
        type: "string",
        enum: [dice.pick(TEXTS), dice.pick(TEXTS), "other"].slice(dice.below(3)),
      };
    case 2:
      return {
        type: dice.pick(["integer", "number"]),
        minimum: dice.below(3),
        maximum: 3 + dice.below(100),
      };
    case 3:
      return { type: "boolean" };
    case 4:
      return { type: "array", items: anyValueSchema(depth - 1), maxItems: dice.below(4) };
    case 5:
      return { anyOf: [anyValueSchema(depth - 1), { type: "null" }] };
    case 6:
      return {
        type: "object",
        additionalProperties: anyValueSchema(depth - 1),
        maxProperties: dice.below(4),
      };
    default:
      return anyObjectSchema(depth);
  }
}

function anyObjectSchema(depth: number): manifest.ValueSchema {
  const names = ["a", "b", "name", "kind"].filter(() => dice.chance(0.6));
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, anyValueSchema(depth - 1)])),
    required: names.filter(() => dice.chance(0.5)),
    additionalProperties: false,
  };
}

test("for any schema that a pack may declare, our check agrees with Ajv", () => {
  const total = { fits: 0, misfits: 0 };
  for (let index = 0; index < 200; index++) {
    const schema = anyObjectSchema(4);
    checkValueSchema(schema, "params");
    // Ajv refuses an enum with duplicates; our closed vocabulary allows them.
    const distinct = JSON.parse(JSON.stringify(schema), (key, member: unknown) =>
      key === "enum" ? [...new Set(member as string[])] : member,
    ) as Schema;
    const { fits, misfits } = compare(distinct, 100);
    total.fits += fits;
    total.misfits += misfits;
  }
  expect(total.fits).toBeGreaterThan(4_000);
  expect(total.misfits).toBeGreaterThan(2_000);
}, 60_000);

test.each([
  ["a keyword it does not know", { type: "object", unevaluatedProperties: false }],
  ["a keyword of another type", { type: "string", minimum: 1 }],
  ["a format", { type: "string", format: "uri" }],
  ["a list of types", { type: ["string", "null"] }],
  ["a reference to elsewhere", { $ref: "https://example.com/schema" }],
  ["an object to choose", { const: {} }],
])("%s is refused when the check is built", (_what, schema) => {
  expect(() => buildCheck(schema)).toThrowError(/^schema: /);
});

test("an inherited member counts as absent", () => {
  const type = "string";
  const properties = { constructor: { type } };
  const check = buildCheck({ type: "object", properties, required: ["constructor"] });
  expect(check({})).toEqual({ path: [], sentence: "expected a member constructor" });
  expect(check({ constructor: "x" })).toBeNull();
});

test("a refusal names the place, the expected value and the actual one", () => {
  const item = { type: "object", properties: { at: { type: "integer" } }, required: [] };
  const check = buildCheck({ type: "array", items: { ...item, additionalProperties: false } });
  expect(check([{ at: 1 }, { at: "1" }])).toEqual({
    path: ["1", "at"],
    sentence: "expected integer, got string",
  });
  expect(check([{ to: 1 }])).toEqual({
    path: ["0", "to"],
    sentence: "expected no such member, the known ones are at",
    isUnknownMember: true,
  });
});
