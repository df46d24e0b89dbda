import type { ValueSchema } from "@sonde/schemas/manifest";

type Fields = Record<string, unknown>;

/** Returns the value at a path; undefined where a member is missing or null on the way. */
export function readPath(data: Fields, path: string): unknown {
  let value: unknown = data;
  for (const name of path.split(".")) {
    if (!isFields(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value ?? undefined;
}

/** Returns the schema of the value at a path, without its null; null when no value can be there. */
export function schemaAt(schema: ValueSchema, path: string): ValueSchema | null {
  let found = withoutNull(schema);
  for (const name of path.split(".")) {
    if (!("properties" in found) || !Object.hasOwn(found.properties, name)) return null;
    const child = found.properties[name];
    if (child === undefined) return null;
    found = withoutNull(child);
  }
  return found;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutNull(schema: ValueSchema): ValueSchema {
  return "anyOf" in schema ? withoutNull(schema.anyOf[0]) : schema;
}
