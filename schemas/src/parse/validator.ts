import type { Static, TSchema } from "typebox";
import { buildCheck, type Check, type Misfit } from "./build-check.ts";
import { type ErrorCode, SondeError } from "../errors.ts";

/**
 * Builds the parser of one boundary shape.
 *
 * @param schema TypeBox definition of the shape
 * @param what name of the shape, used in the error message
 * @param code error code thrown when the value does not fit
 * @param codeForUnknown error code thrown when the value's only fault is an unknown member
 * @returns a function that returns the value with its narrow type, or throws SondeError
 */
export function buildParser<S extends TSchema>(
  schema: S,
  what: string,
  code: ErrorCode,
  codeForUnknown: ErrorCode = code,
): (value: unknown) => Static<S> {
  let check: Check | undefined;
  return (value) => {
    // Built on first use, so that a process pays only for the shapes that it uses.
    check ??= buildCheck(schema);
    const misfit = check(value);
    if (misfit !== null) {
      throw new SondeError(
        misfit.isUnknownMember === true ? codeForUnknown : code,
        describeMisfit(what, misfit),
      );
    }
    // Never coerced, stripped or defaulted, so the value that was checked is the value that is
    // used.
    return value as Static<S>;
  };
}

/**
 * Builds the check of a JSON Schema from a verified manifest.
 *
 * @returns a function that returns null when the value fits, else one sentence
 */
export function buildValueChecker(schema: object): (value: unknown) => string | null {
  const check = buildCheck(schema);
  return (value) => {
    const misfit = check(value);
    return misfit === null ? null : describeMisfit("the value", misfit);
  };
}

/** Parses JSON bytes or text from outside. A syntax error throws `code`. */
export function parseJson(text: string | Uint8Array, what: string, code: ErrorCode): unknown {
  try {
    const source = typeof text === "string" ? text : utf8.decode(text);
    return JSON.parse(source);
  } catch {
    throw new SondeError(code, `${what}: expected JSON in UTF-8, got something else`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

const MAX_PATH = 200;

function describeMisfit(what: string, { path, sentence }: Misfit): string {
  const where = path.length === 0 ? "" : ` at ${JSON.stringify(path.join("/").slice(0, MAX_PATH))}`;
  return `${what}${where}: ${sentence}`;
}
