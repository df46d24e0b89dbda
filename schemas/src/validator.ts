import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import type { Static, TSchema } from "typebox";
import { type ErrorCode, SondeError } from "./errors.ts";

// Strict on purpose: nothing is coerced, stripped or defaulted, so what was
// checked is byte for byte what is used afterwards.
const ajv = new Ajv2020({
  strict: true,
  allErrors: false,
  coerceTypes: false,
  removeAdditional: false,
  useDefaults: false,
  allowUnionTypes: true,
});

/**
 * Builds the parser of one boundary shape.
 *
 * @param schema TypeBox definition of the shape
 * @param what name of the shape, used in the error sentence
 * @param code error code thrown when the value does not fit
 * @returns a function that gives the value back, narrowed, or throws SondeError
 */
export function buildParser<S extends TSchema>(
  schema: S,
  what: string,
  code: ErrorCode,
): (value: unknown) => Static<S> {
  let validate: ReturnType<typeof ajv.compile> | undefined;
  return (value) => {
    // Compiled on first use: a process only pays for the shapes it meets.
    validate ??= ajv.compile(schema);
    if (!validate(value)) {
      throw new SondeError(code, describeMisfit(what, validate.errors?.[0]));
    }
    return value as Static<S>;
  };
}

/**
 * Compiles a JSON Schema that came from a verified manifest into a checker.
 *
 * @returns a function that answers null when the value fits, else one sentence
 */
export function buildValueChecker(schema: object): (value: unknown) => string | null {
  const validate = ajv.compile(schema);
  return (value) => (validate(value) ? null : describeMisfit("the value", validate.errors?.[0]));
}

/** Parses JSON bytes or text that came from outside; any syntax error gets `code`. */
export function parseJson(text: string | Uint8Array, what: string, code: ErrorCode): unknown {
  try {
    const source = typeof text === "string" ? text : utf8.decode(text);
    return JSON.parse(source);
  } catch {
    throw new SondeError(code, `${what}: expected JSON in UTF-8, got something else`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function describeMisfit(what: string, error: ErrorObject | undefined): string {
  if (error === undefined) return `${what} does not fit its schema`;
  const where = error.instancePath === "" ? "" : ` at ${error.instancePath}`;
  const params = error.params as Record<string, unknown>;
  const named = params["additionalProperty"] ?? params["missingProperty"];
  const hint = typeof named === "string" ? ` (${JSON.stringify(named)})` : "";
  return `${what}${where}: ${error.message ?? "does not fit"}${hint}`;
}
