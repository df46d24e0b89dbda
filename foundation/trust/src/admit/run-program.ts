import { SondeError } from "@sonde/schemas/errors";
import { readLines } from "./read-lines.ts";
import { startProgram } from "./start-program.ts";

export type RunOptions = {
  deadlineMs: number;
  /** Largest line of the answer. */
  maxLineBytes: number;
};

/**
 * Runs the admit program in a process per request, with an empty environment. Kills it at
 * the deadline or when a line is too long. Applies back-pressure to its output.
 *
 * @returns every line of its answer, in order
 * @throws SondeError REGISTRY_UNAVAILABLE at the deadline, INTERNAL
 */
export async function* runProgram(
  programPath: string,
  request: object,
  { deadlineMs, maxLineBytes }: RunOptions,
): AsyncGenerator<string> {
  const child = startProgram(programPath);
  const failed = new Promise<never>((_, reject) => {
    child.on("error", (cause) =>
      reject(new SondeError("INTERNAL", "the admit program did not start", { cause })),
    );
  });
  failed.catch(() => undefined);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  child.stdin.end(JSON.stringify(request));
  try {
    const lines = readLines(child.stdout, maxLineBytes);
    for (;;) {
      const { done, value } = await Promise.race([lines.next(), failed]);
      if (done === true) break;
      yield value;
    }
    if (late) {
      throw new SondeError("REGISTRY_UNAVAILABLE", `expected an answer within ${deadlineMs} ms`);
    }
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}
