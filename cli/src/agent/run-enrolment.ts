import { spawn } from "node:child_process";
import { type ErrorBody, isErrorCode, SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

/**
 * Runs the enrol program. The token goes through its standard input, so no process list and no
 * shell history shows it.
 *
 * @param program its command line, as the agent's user
 * @throws SondeError with the code of the hub's refusal
 */
export async function runEnrolment(
  { command, args }: { command: string; args: string[] },
  token: string,
): Promise<void> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], cwd: "/" });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stdin.end(`${token}\n`);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw readRefusal(output);
}

/** The program's one line of JSON states the reason. */
function readRefusal(output: string): SondeError {
  const line = output.split("\n").find((text) => text.startsWith("{")) ?? "{}";
  const answer = parseJson(line, "the enrolment's answer", "STARTING_FAILED") as Partial<ErrorBody>;
  const { code, message } = answer.error ?? {};
  if (isErrorCode(code)) return new SondeError(code, `not enrolled: ${message}`);
  return new SondeError("STARTING_FAILED", `not enrolled: ${output.trim().slice(0, 500)}`);
}
