import { type ValueSchema } from "@sonde/schemas/manifest";
import { buildValueChecker } from "@sonde/schemas/parse";
import { type ResultBody } from "@sonde/schemas/wire";

type Checker = ReturnType<typeof buildValueChecker>;

const checkers = new WeakMap<ValueSchema, Checker>();

/** Returns the checker of a schema from a verified manifest. A cache builds each checker once. */
export function checkerOf(schema: ValueSchema): Checker {
  const known = checkers.get(schema);
  if (known !== undefined) return known;
  const checker = buildValueChecker(schema);
  checkers.set(schema, checker);
  return checker;
}

/**
 * Returns what goes on to the client: data that fits the verified manifest, or a failure without
 * data. Data that does not fit becomes RESULT_INVALID. A redaction marker fits, since a result's
 * strings are not constrained.
 *
 * @param schema the probe's result in the manifest that this hub verified
 */
export function checkAnswer(schema: ValueSchema, body: ResultBody): ResultBody {
  const { data, ...rest } = body;
  const misfit = body.status === "ok" ? checkerOf(schema)(data) : null;
  if (misfit !== null) {
    return { ...rest, status: "failure", failure: { code: "RESULT_INVALID", message: misfit } };
  }
  return body.status === "ok" ? body : rest;
}
