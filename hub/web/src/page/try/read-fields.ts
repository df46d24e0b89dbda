import type { ToolSummary } from "@sonde/schemas/hub";
import type { ValueSchema } from "@sonde/schemas/manifest";

/** The argument by which the hub's own tools take hosts. All other tools have it beside theirs. */
const HOSTS_ARGUMENT = "agent";

/** One argument of a tool, as the form has it. What was typed of it is always a text. */
export type ToolField = {
  name: string;
  schema: ValueSchema;
  isRequired: boolean;
};

/** What a text of a field means: a value, nothing, or why it is none. */
type ReadField = { value: unknown } | { problem: string } | null;

/** The arguments that a form asks for, hosts left out. */
export function listFields({ inputSchema }: ToolSummary): ToolField[] {
  const { properties = {}, required = [] } = inputSchema as {
    properties?: Record<string, ValueSchema>;
    required?: string[];
  };
  return Object.entries(properties)
    .filter(([name]) => name !== HOSTS_ARGUMENT)
    .map(([name, schema]) => ({ name, schema, isRequired: required.includes(name) }));
}

/** What a schema allows besides null. */
export function withoutNull(schema: ValueSchema): Exclude<ValueSchema, { anyOf: unknown }> {
  return "anyOf" in schema ? withoutNull(schema.anyOf[0]) : schema;
}

/** The values that a field chooses from; null where it takes any of its kind. */
export function choicesOf(schema: ValueSchema): readonly string[] | null {
  const inner = withoutNull(schema);
  if (inner.type === "boolean") return ["true", "false"];
  return inner.type === "string" ? (inner.enum ?? null) : null;
}

/** Reads all fields of a form. The hub checks them again by the same schema. */
export function readFields(
  fields: readonly ToolField[],
  texts: ReadonlyMap<string, string>,
): { values: Record<string, unknown>; problems: Map<string, string> } {
  const values = new Map<string, unknown>();
  const problems = new Map<string, string>();
  for (const field of fields) {
    const read = readField(field, texts.get(field.name) ?? "");
    if (read === null) continue;
    if ("problem" in read) problems.set(field.name, read.problem);
    else values.set(field.name, read.value);
  }
  return { values: Object.fromEntries(values), problems };
}

function readField({ schema, isRequired }: ToolField, text: string): ReadField {
  // Nothing means: the tool's own default, or null where that must be said.
  if (text === "") {
    if (!isRequired) return null;
    return "anyOf" in schema ? { value: null } : { problem: "This is needed." };
  }
  return readValue(withoutNull(schema), text);
}

function readValue(schema: ReturnType<typeof withoutNull>, text: string): ReadField {
  switch (schema.type) {
    case "string":
      return readText(schema, text);
    case "integer":
    case "number":
      return readNumber(schema, text);
    case "boolean":
      return text === "true" || text === "false"
        ? { value: text === "true" }
        : { problem: "Expected yes or no." };
    case "array":
      return readList(schema, text);
    case "object":
      return readJson(text);
  }
}

function readText(
  { enum: choices, maxLength }: Extract<ValueSchema, { type: "string" }>,
  text: string,
): ReadField {
  if (choices !== undefined && !choices.includes(text)) {
    return { problem: `Expected one of ${choices.join(", ")}.` };
  }
  if (maxLength !== undefined && text.length > maxLength) {
    return { problem: `Expected at most ${maxLength} characters, got ${text.length}.` };
  }
  return { value: text };
}

function readNumber(
  schema: Extract<ValueSchema, { type: "integer" | "number" }>,
  text: string,
): ReadField {
  const value = Number(text.trim());
  const isWhole = schema.type === "integer";
  if (text.trim() === "" || !Number.isFinite(value) || (isWhole && !Number.isSafeInteger(value))) {
    return { problem: `Expected a ${isWhole ? "whole " : ""}number.` };
  }
  const { minimum = -Infinity, maximum = Infinity } = schema;
  if (value >= minimum && value <= maximum) return { value };
  return { problem: `Expected ${describeRange(schema)}.` };
}

/** The least and the most of a number, in words; empty without both. */
export function describeRange({
  minimum,
  maximum,
}: Extract<ValueSchema, { type: "integer" | "number" }>): string {
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `at least ${minimum}`;
  return maximum === undefined ? "" : `at most ${maximum}`;
}

/** One item a line, each by the schema of the items. */
function readList(
  { items, maxItems = Infinity }: Extract<ValueSchema, { type: "array" }>,
  text: string,
): ReadField {
  const lines = text.split("\n").filter((line) => line !== "");
  if (lines.length > maxItems) {
    return { problem: `Expected at most ${maxItems} lines, got ${lines.length}.` };
  }
  const values: unknown[] = [];
  for (const [place, line] of lines.entries()) {
    const read = readValue(withoutNull(items), line);
    if (read !== null && "problem" in read) {
      return { problem: `Line ${place + 1}: ${read.problem}` };
    }
    values.push(read?.value);
  }
  return { value: values };
}

function readJson(text: string): ReadField {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return { problem: "Expected JSON." };
  }
}
