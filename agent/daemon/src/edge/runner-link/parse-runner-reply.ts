import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type Failure,
  type RunnerOutcome,
  type ReadTrace,
  parseRunnerOutcomes,
  parseRunnerReplyHead,
} from "@sonde/schemas/reads";
import type { Frame } from "@sonde/schemas/wire";

/** `result` is the raw output of the pack's process; nothing has checked it. */
export type RunDone =
  | { ok: true; result: Buffer; ms: number }
  | { ok: false; failure: Failure; ms: number };

export type RunnerReply =
  | { id: number; op: "read"; reads: Record<string, RunnerOutcome>; traces: ReadTrace[] }
  | { id: number; op: "run"; done: RunDone }
  | { id: number; op: "drop" };

/** @throws SondeError RUNNER_UNAVAILABLE when head and body are not a reply */
export function parseRunnerReply(frame: Frame): RunnerReply {
  const head = parseRunnerReplyHead(frame.head);
  const { body } = frame;
  if (head.op === "read") {
    const reads = parseRunnerOutcomes(parseJson(body, "outcomes", "RUNNER_UNAVAILABLE"));
    return { ...head, reads };
  }
  // A reply holds either a failure or a result. A result is JSON, so it is never empty.
  const hasNoBody = head.op === "drop" || head.failure !== undefined;
  if (hasNoBody !== (body.length === 0)) {
    throw new SondeError("RUNNER_UNAVAILABLE", `expected a reply to ${head.op}, got half of one`);
  }
  if (head.op === "drop") return head;
  const { id, op, ms, failure } = head;
  const done: RunDone =
    failure === undefined ? { ok: true, result: body, ms } : { ok: false, failure, ms };
  return { id, op, done };
}
