import { SondeError } from "@sonde/schemas/errors";
import { type Failure } from "@sonde/schemas/reads";
import type { Frame } from "@sonde/schemas/wire";

// Heads of the frames between a runner and its pack host.
// The host runs pack code, so the runner treats its replies as hostile.

export type PackHostRequest =
  /** Body: the pack's code. */
  | { op: "load"; memoryMb: number }
  /** Body: a GuestInput as JSON. */
  | { op: "run"; id: number; probeName: string; timeoutMs: number };

export type PackHostReply =
  /** Said before any of the pack has run. `pid` is the one that the pack host sees. */
  | { op: "ready"; pid: number }
  /** Body, if there is no failure: the guest's result as JSON. */
  | { op: "done"; id: number; failure?: Failure };

/** `result` is raw bytes; the runner passes them on unparsed. */
export type PackHostAnswer = { ok: true; result: Buffer } | { ok: false; failure: Failure };

const MAX_HEAD_BYTES = 16 * 1024;
export const MAX_GUEST_RESULT_BYTES = 4 * 1024 * 1024;
/** Limits of a pack host's reply. */
export const REPLY_LIMITS = { maxHeadBytes: MAX_HEAD_BYTES, maxBodyBytes: MAX_GUEST_RESULT_BYTES };

const CODES = new Set<unknown>(["PACK_FAILED", "PACK_TIMEOUT", "PACK_CRASHED"]);
const MAX_MESSAGE = 2000;

export type PackHostNews =
  | { op: "ready"; pid: number | null }
  | { op: "done"; id: number; answer: PackHostAnswer };

/** @throws SondeError PACK_CRASHED when the frame is none of the replies above */
export function parsePackHostReply({ head, body }: Frame): PackHostNews {
  const reply = fieldsOf(head);
  const { id, pid } = reply;
  if (reply["op"] === "done" && typeof id === "number") {
    return { op: "done", id, answer: parseAnswer(reply["failure"], body) };
  }
  if (body.length > 0) throw misfit();
  if (reply["op"] === "ready") return { op: "ready", pid: typeof pid === "number" ? pid : null };
  throw misfit();
}

function parseAnswer(failure: unknown, body: Buffer): PackHostAnswer {
  // A result is JSON, so it is never empty.
  const hasResult = body.length > 0;
  if (hasResult === (failure !== undefined)) throw misfit();
  if (hasResult) return { ok: true, result: body };
  const { code, message } = fieldsOf(failure);
  if (!CODES.has(code) || typeof message !== "string") throw misfit();
  return {
    ok: false,
    failure: { code: code as Failure["code"], message: message.slice(0, MAX_MESSAGE) },
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw misfit();
  return Object.assign(Object.create(null), value) as Record<string, unknown>;
}

function misfit(): SondeError {
  return new SondeError("PACK_CRASHED", "the pack host answered with something else than a reply");
}
