import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type AdmitRequest, type AdmittedPack, parseAdmitReply } from "@sonde/schemas/trust";
import { runProgram } from "./run-program.ts";

const DEADLINE_MS = 60_000;
const MAX_REPLY_BYTES = 2 * 1024 * 1024;

/**
 * Starts the admit program to fetch, verify and store one pack.
 *
 * @param admitProgramPath path of the bundled `admit.js`
 * @throws SondeError with the program's own code, REGISTRY_UNAVAILABLE at the deadline,
 *   INTERNAL for an invalid answer of the program
 */
export async function admitPack(
  admitProgramPath: string,
  request: Omit<AdmitRequest, "op">,
  deadlineMs = DEADLINE_MS,
): Promise<AdmittedPack> {
  const lines = runProgram(
    admitProgramPath,
    { op: "admit", ...request },
    { deadlineMs, maxLineBytes: MAX_REPLY_BYTES },
  );
  let reply: unknown = null;
  for await (const line of lines) {
    if (reply !== null)
      throw new SondeError("INTERNAL", "admit reply: expected one line, got more");
    reply = parseJson(line, "admit reply", "INTERNAL");
  }
  const answer = parseAdmitReply(reply);
  if ("error" in answer) throw new SondeError(answer.error.code, answer.error.message);
  return answer.pack;
}
