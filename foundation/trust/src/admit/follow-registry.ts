import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type FollowRequest,
  type FollowedEntry,
  type FollowedLog,
  parseFollowReply,
  parseFollowedEntry,
} from "@sonde/schemas/trust";
import { runProgram } from "./run-program.ts";

const DEADLINE_MS = 5 * 60_000;
const MAX_LINE_BYTES = 128 * 1024;

/**
 * Starts the admit program to follow a registry's log to its present head. `followLog`
 * says what that proves.
 *
 * @param onEntry called with each entry since `from`, in order; when this function
 *   throws, the entries are void
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, REGISTRY_UNAVAILABLE, INTERNAL
 */
export async function followRegistry(
  admitProgramPath: string,
  request: Omit<FollowRequest, "op">,
  onEntry: (entry: FollowedEntry) => void | Promise<void>,
  deadlineMs = DEADLINE_MS,
): Promise<FollowedLog> {
  const lines = runProgram(
    admitProgramPath,
    { op: "follow", ...request },
    { deadlineMs, maxLineBytes: MAX_LINE_BYTES },
  );
  let reply: unknown = null;
  for await (const line of lines) {
    const value = parseJson(line, "follow reply", "INTERNAL");
    const isEntry = typeof value === "object" && value !== null && "entry" in value;
    if (isEntry) await onEntry(parseFollowedEntry(value));
    else reply = value;
  }
  const parsed = parseFollowReply(reply);
  if ("error" in parsed) throw new SondeError(parsed.error.code, parsed.error.message);
  return parsed.log;
}
