import { SondeError } from "@sonde/schemas/errors";
import { type Failure } from "@sonde/schemas/reads";

// Frames between a runner and its pack host. The host holds pack code, so the
// runner takes its replies as hostile.

export type PackHostRequest =
  | { op: "load"; code: string; memoryMb: number }
  | { op: "run"; id: number; probe: string; input: string; timeoutMs: number };

export type GuestAnswer = { ok: true; result: string } | { ok: false; failure: Failure };

export type PackHostReply =
  | { op: "ready" }
  /** Before the guest runs: what was not begun may be given to another host. */
  | { op: "begun"; id: number }
  | { op: "done"; id: number; answer: GuestAnswer };

const CODES = new Set<unknown>(["PACK_FAILED", "PACK_TIMEOUT", "PACK_CRASHED"]);
const MAX_MESSAGE = 2000;
/** As in pack-sdk/runtime, which holds the isolate and is not for the runner to load. */
const MAX_RESULT_CHARS = 4 * 1024 * 1024;

/** @throws SondeError PACK_CRASHED when it is none of the replies above */
export function parsePackHostReply(value: unknown): PackHostReply {
  const reply = fieldsOf(value);
  if (reply["op"] === "ready") return { op: "ready" };
  const id = reply["id"];
  if (typeof id !== "number") throw misfit();
  if (reply["op"] === "begun") return { op: "begun", id };
  if (reply["op"] === "done") return { op: "done", id, answer: parseAnswer(reply["answer"]) };
  throw misfit();
}

function parseAnswer(value: unknown): GuestAnswer {
  const answer = fieldsOf(value);
  const result = answer["result"];
  if (answer["ok"] === true && typeof result === "string") {
    if (result.length > MAX_RESULT_CHARS) throw misfit();
    return { ok: true, result };
  }
  const { code, message } = fieldsOf(answer["failure"]);
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
