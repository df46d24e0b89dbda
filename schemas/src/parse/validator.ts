import type { Static, TSchema } from "typebox";
import { buildCheck } from "./build-check.ts";
import { type ErrorCode, SondeError } from "../errors.ts";
import { buildKeepKnown } from "./keep-known.ts";
import type { Check, Misfit } from "./misfit.ts";
import { MAX_LEVELS, readJson, RepeatedName, TooDeep } from "./read-json.ts";

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
 * Builds the parser of a shape to which the sender may have added members that this release does
 * not know. They are not in the value that the parser returns.
 *
 * @param schema TypeBox definition whose objects are open; its records hold plain values
 * @param what name of the shape, used in the error message
 * @param code error code thrown when the value does not fit
 */
export function buildOpenParser<S extends TSchema>(
  schema: S,
  what: string,
  code: ErrorCode,
): (value: unknown) => Static<S> {
  const parse = buildParser(schema, what, code);
  let keepKnown: ((value: unknown) => unknown) | undefined;
  return (value) => {
    const parsed = parse(value);
    keepKnown ??= buildKeepKnown(schema);
    return keepKnown(parsed) as Static<S>;
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

/**
 * Parses JSON bytes or text from outside. A syntax error throws `code`, and so do an object that has
 * a member twice and a text of more than MAX_LEVELS levels.
 */
export function parseJson(text: string | Uint8Array, what: string, code: ErrorCode): unknown {
  try {
    return readJson(typeof text === "string" ? text : utf8.decode(text));
  } catch (thrown) {
    if (thrown instanceof TooDeep) {
      throw new SondeError(code, `${what}: expected at most ${MAX_LEVELS} levels, got more`);
    }
    if (!(thrown instanceof RepeatedName)) {
      throw new SondeError(code, `${what}: expected JSON in UTF-8, got something else`);
    }
    const name = JSON.stringify(thrown.repeated.slice(0, MAX_PATH));
    throw new SondeError(code, `${what}: expected each member once, got ${name} twice`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

const MAX_PATH = 200;

function describeMisfit(what: string, { path, sentence }: Misfit): string {
  const where = path.length === 0 ? "" : ` at ${JSON.stringify(path.join("/").slice(0, MAX_PATH))}`;
  return `${what}${where}: ${sentence}`;
}
