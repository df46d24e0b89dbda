import { spawn } from "node:child_process";
import {
  type AdmitRequest,
  type AdmittedPack,
  SondeError,
  parseAdmitReply,
  parseJson,
} from "@sonde/schemas";

const DEADLINE_MS = 60_000;
const MAX_REPLY_BYTES = 2 * 1024 * 1024;

/**
 * Has the admit program fetch, verify and store one pack. A process per call,
 * with an empty environment; killed at the deadline or when it says too much.
 *
 * @param admitProgramPath path of the bundled `admit.js`
 * @throws SondeError with the program's own code, REGISTRY_UNAVAILABLE at the
 *   deadline, INTERNAL when the program did not answer properly
 */
export async function admitPack(
  admitProgramPath: string,
  request: AdmitRequest,
  deadlineMs = DEADLINE_MS,
): Promise<AdmittedPack> {
  const line = await runProgram(admitProgramPath, JSON.stringify(request), deadlineMs);
  const reply = parseAdmitReply(parseJson(line, "admit reply", "INTERNAL"));
  if ("error" in reply) throw new SondeError(reply.error.code, reply.error.message);
  return reply.pack;
}

function runProgram(path: string, request: string, deadlineMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path], {
      env: {},
      cwd: "/",
      stdio: ["pipe", "pipe", "ignore"],
    });
    const fail = (error: SondeError): void => {
      child.kill("SIGKILL");
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(new SondeError("REGISTRY_UNAVAILABLE", `expected a pack within ${deadlineMs} ms`));
    }, deadlineMs);
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_REPLY_BYTES) fail(new SondeError("INTERNAL", "the admit reply is too long"));
      else chunks.push(chunk);
    });
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new SondeError("INTERNAL", "the admit program did not start", { cause }));
    });
    child.on("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
    // A program that ends without reading shows in its (empty) reply.
    child.stdin.on("error", () => child.stdin.destroy());
    child.stdin.end(request);
  });
}
