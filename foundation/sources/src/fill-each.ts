import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type Hole } from "@sonde/schemas/manifest";
import { parseJson } from "@sonde/schemas/parse";
import {
  type EachOutcome,
  type Failure,
  type FilledRead,
  type ReadOutcome,
} from "@sonde/schemas/reads";
import { fillHole } from "./check-hole.ts";
import type { LaterRead } from "./fill-reads.ts";

/** Further values are left out unseen: a file may have hundreds of thousands. */
const MAX_LOOKED_AT = 10_000;

/** What a read with `forEach` comes to, once its values were found. */
export type FilledEach =
  | ({ ok: true; reads: { value: string; read: FilledRead }[] } & Omit<EachOutcome, "ok" | "each">)
  | { ok: false; failure: Failure };

/**
 * Fills the hole of a read with each value that an earlier read found. The values are the host's, and
 * perhaps an attacker's. So each passes the grammar of the hole, as a caller's value does; another is
 * counted, and nothing is read for it. A value that was found twice is read once.
 *
 * @param found the outcome of the read that `forEach` names, its secrets replaced: what replaces one
 *   fits no hole
 * @returns the failure of that read, or READ_FAILED for data in which no value can be looked for
 */
export function fillEach(later: LaterRead, found: ReadOutcome): FilledEach {
  const { forEach, source, values, name } = later;
  if (!found.ok) {
    const { code, message } = found.failure;
    return { ok: false, failure: { code, message: `${forEach.read}: ${message}`.slice(0, 2000) } };
  }
  const hole = new Map(Object.entries(source.holes ?? {})).get(forEach.hole);
  const [sample] = found.samples;
  if (hole === undefined || sample === undefined) {
    throw new SondeError("MANIFEST_INVALID", `${name}: expected a hole ${forEach.hole}, got none`);
  }
  let candidates: unknown[];
  try {
    candidates = findValues(sample.data, forEach.at.split("."));
  } catch (thrown) {
    const { message } = toSondeError(thrown);
    const where = `${forEach.at} of ${forEach.read}`;
    return { ok: false, failure: { code: "READ_FAILED", message: `${where}: ${message}` } };
  }
  const texts = candidates.slice(0, MAX_LOOKED_AT).map((candidate) => textFor(hole, candidate));
  const fitting = [...new Set(texts.filter((text) => text !== null))];
  const { hole: filled, atMost } = forEach;
  return {
    ok: true,
    reads: fitting.slice(0, atMost).map((value, index) => ({
      value,
      read: { name: `${name}.${index}`, source, values: { ...values, [filled]: value } },
    })),
    leftOutCount: Math.max(0, fitting.length - atMost) + (candidates.length - texts.length),
    unfitCount: texts.filter((text) => text === null).length,
  };
}

/**
 * Follows a path through what was read. A text on the way is JSON. What is not there is undefined,
 * once for each item in which it is not.
 *
 * @throws SondeError READ_FAILED for a text on the way that is no JSON
 */
function findValues(data: unknown, steps: string[]): unknown[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [data];
  if (typeof data === "string") {
    return findIn(parseJson(data, "what was read", "READ_FAILED"), steps);
  }
  return followStep(data, step).flatMap((inner) => findValues(inner, rest));
}

/** As `findValues`, in what is no text any more: a stranger's JSON may have texts anywhere. */
function findIn(data: unknown, [step, ...rest]: string[]): unknown[] {
  return step === undefined
    ? [data]
    : followStep(data, step).flatMap((inner) => findIn(inner, rest));
}

function followStep(data: unknown, step: string): unknown[] {
  if (step === "*") return Array.isArray(data) ? data : [undefined];
  const members = typeof data === "object" && data !== null ? Object.entries(data) : [];
  return [members.find(([name]) => name === step)?.[1]];
}

/** Null for a value that does not fit. */
function textFor(hole: Hole, value: unknown): string | null {
  return fillHole(hole, hole.type === "integer" ? toNumber(value) : value);
}

/** Names of processes and the like are numbers written as text. */
function toNumber(value: unknown): unknown {
  return typeof value === "string" && /^(0|[1-9][0-9]{0,14})$/.test(value) ? Number(value) : value;
}
