import { Type } from "typebox";
import { SondeError } from "../errors.ts";

/**
 * The closed vocabulary that the author API's `t` emits for params and results. It is a subset of
 * JSON Schema without references and patterns, so a stranger can read it, and no schema can make
 * its own check expensive.
 */
export type ValueSchema =
  | { type: "string"; maxLength?: number; enum?: string[]; description?: string }
  | { type: "integer" | "number"; minimum?: number; maximum?: number; description?: string }
  | { type: "boolean"; description?: string }
  | { type: "array"; items: ValueSchema; maxItems?: number; description?: string }
  | {
      type: "object";
      properties: Record<string, ValueSchema>;
      required: string[];
      additionalProperties: false;
      description?: string;
    }
  | {
      type: "object";
      additionalProperties: ValueSchema;
      maxProperties: number;
      description?: string;
    }
  | { anyOf: [ValueSchema, { type: "null" }]; description?: string };

/** A params or result schema that nests deeper is refused. */
export const MAX_VALUE_DEPTH = 8;

const description = Type.Optional(Type.String({ maxLength: 400 }));
const closed = { additionalProperties: false } as const;
const Ref = Type.Ref("#/$defs/ValueSchema");

/**
 * TypeBox form of ValueSchema for the `$defs` of the manifest's schema, where it refers to itself.
 * `checkValueSchema` checks the depth.
 */
export const ValueSchemaDefinition = Type.Union([
  Type.Object(
    {
      type: Type.Literal("string"),
      maxLength: Type.Optional(Type.Integer({ minimum: 1, maximum: 65536 })),
      enum: Type.Optional(
        Type.Array(Type.String({ maxLength: 100 }), { minItems: 1, maxItems: 100 }),
      ),
      description,
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Union([Type.Literal("integer"), Type.Literal("number")]),
      minimum: Type.Optional(Type.Number()),
      maximum: Type.Optional(Type.Number()),
      description,
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("boolean"), description }, closed),
  Type.Object(
    {
      type: Type.Literal("array"),
      items: Ref,
      maxItems: Type.Optional(Type.Integer({ minimum: 0, maximum: 100000 })),
      description,
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("object"),
      properties: Type.Record(Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }), Ref, {
        additionalProperties: false,
        maxProperties: 100,
      }),
      required: Type.Array(Type.String({ maxLength: 40 }), { maxItems: 100 }),
      additionalProperties: Type.Literal(false),
      description,
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("object"),
      additionalProperties: Ref,
      maxProperties: Type.Integer({ minimum: 0, maximum: 10000 }),
      description,
    },
    closed,
  ),
  Type.Object(
    {
      anyOf: Type.Unsafe({
        type: "array",
        prefixItems: [Ref, Type.Object({ type: Type.Literal("null") }, closed)],
        items: false,
        minItems: 2,
        maxItems: 2,
      }),
      description,
    },
    closed,
  ),
]);

/** Represents a ValueSchema in a schema whose `$defs` hold ValueSchemaDefinition. */
export const ValueSchemaRef = Type.Unsafe<ValueSchema>(Ref);

/**
 * Checks what the shape cannot express: bounded depth, an object at the top, `required` naming
 * declared properties, and, for results, unrestricted strings, so that a redaction marker always
 * fits.
 */
export function checkValueSchema(schema: ValueSchema, role: "params" | "result"): void {
  if (!("type" in schema) || schema.type !== "object" || !("properties" in schema)) {
    throw new SondeError(
      "MANIFEST_INVALID",
      `${role}: expected an object with properties at the top`,
    );
  }
  walk(schema, role, role, 1);
}

function walk(schema: ValueSchema, role: "params" | "result", where: string, depth: number): void {
  if (depth > MAX_VALUE_DEPTH) {
    throw new SondeError(
      "MANIFEST_INVALID",
      `${where}: expected at most ${MAX_VALUE_DEPTH} levels, got more`,
    );
  }
  if ("anyOf" in schema) return walk(schema.anyOf[0], role, where, depth + 1);
  if (schema.type === "string" && role === "result" && (schema.enum || schema.maxLength)) {
    throw new SondeError(
      "MANIFEST_INVALID",
      `${where}: a string in a result may have no enum or maxLength, a redaction must fit`,
    );
  }
  if (schema.type === "array") return walk(schema.items, role, `${where}[]`, depth + 1);
  if (schema.type !== "object") return;
  if (!("properties" in schema)) {
    return walk(schema.additionalProperties, role, `${where}.*`, depth + 1);
  }
  for (const name of schema.required) {
    if (!Object.hasOwn(schema.properties, name)) {
      throw new SondeError("MANIFEST_INVALID", `${where}: required names no property: ${name}`);
    }
  }
  for (const [name, child] of Object.entries(schema.properties)) {
    walk(child, role, `${where}.${name}`, depth + 1);
  }
}
