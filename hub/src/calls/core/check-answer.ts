import { type ValueSchema } from "@sonde/schemas/manifest";
import { buildValueChecker } from "@sonde/schemas/parse";
import { type ResultBody } from "@sonde/schemas/wire";

type Checker = ReturnType<typeof buildValueChecker>;

const checkers = new WeakMap<object, Checker>();

/** Returns the checker of a schema from a verified manifest. A cache builds each checker once. */
export function checkerOf(schema: object): Checker {
  const known = checkers.get(schema);
  if (known !== undefined) return known;
  const checker = buildValueChecker(schema);
  checkers.set(schema, checker);
  return checker;
}

/**
 * UTF-16 units of what an agent states beside the data. It is recorded for good, and a page of the
 * log has a thousand records. Twenty reads of the longest description have 40,000.
 */
const MAX_STATED = 100_000;

/**
 * Returns what goes on to the client and is recorded: data that fits the verified manifest, or a
 * failure without data. Data that does not fit becomes RESULT_INVALID, and so does an answer that
 * states too much beside it. A redaction marker fits, since a result's strings are not constrained.
 *
 * @param schema the probe's result in the manifest that this hub verified
 */
export function checkAnswer(schema: ValueSchema, body: ResultBody): ResultBody {
  const { data, ...rest } = body;
  if (JSON.stringify(rest).length > MAX_STATED) return overlong(body);
  const misfit = body.status === "ok" ? checkerOf(schema)(data) : null;
  if (misfit !== null) {
    return { ...rest, status: "failure", failure: { code: "RESULT_INVALID", message: misfit } };
  }
  return body.status === "ok" ? body : rest;
}

function overlong({ callId, collectedAt, auditHead }: ResultBody): ResultBody {
  const message = `expected at most ${MAX_STATED} characters beside the data, got more`;
  return {
    ...{ callId, collectedAt, auditHead, status: "failure", truncated: false, reads: [] },
    failure: { code: "RESULT_INVALID", message },
    redactions: { count: 0, rules: {} },
    timings: { checks: 0, reads: 0, scrub: 0, guest: 0, audit: 0, total: 0 },
  };
}
