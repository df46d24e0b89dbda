import { spawn } from "node:child_process";
import { SondeError } from "@sonde/schemas";

export type RunOptions = {
  deadlineMs: number;
  /** Of one line of the answer. */
  maxLineBytes: number;
};

/**
 * Runs the admit program: a process per request, with an empty environment,
 * killed at the deadline or when a line is too long. Reads no faster than the
 * lines are taken.
 *
 * @returns every line of its answer, in order
 * @throws SondeError REGISTRY_UNAVAILABLE at the deadline, INTERNAL
 */
export async function* runProgram(
  programPath: string,
  request: object,
  { deadlineMs, maxLineBytes }: RunOptions,
): AsyncGenerator<string> {
  const child = spawn(process.execPath, [programPath], {
    env: {},
    cwd: "/",
    stdio: ["pipe", "pipe", "ignore"],
  });
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
  // A program that ends without reading shows in its (empty) reply.
  child.stdin.on("error", () => child.stdin.destroy());
  child.stdin.end(JSON.stringify(request));
  try {
    const chunks = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    let rest = Buffer.alloc(0);
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), failed]);
      if (done === true) break;
      rest = Buffer.concat([rest, value]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield rest.subarray(0, end).toString("utf8");
        rest = rest.subarray(end + 1);
      }
      if (rest.length > maxLineBytes) {
        throw new SondeError(
          "INTERNAL",
          `the admit program: expected lines of ${maxLineBytes} bytes`,
        );
      }
    }
    if (late) {
      throw new SondeError("REGISTRY_UNAVAILABLE", `expected an answer within ${deadlineMs} ms`);
    }
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}
