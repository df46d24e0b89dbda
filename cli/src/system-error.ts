import { getSystemErrorMessage } from "node:util";
import { SondeError } from "@sonde/schemas/errors";

const NO_RIGHT = new Set(["EACCES", "EPERM", "EROFS"]);

/**
 * What the system refused, such as a write to a full disk, in words: it is no defect of Sonde, and a
 * person can mend it. Returns any other error as it is.
 */
export function explainSystemError(thrown: unknown): unknown {
  if (!isSystemError(thrown)) return thrown;
  const { errno, code, syscall, path, dest } = thrown;
  const what = [syscall, dest ?? path].filter((part) => part !== undefined).join(" ");
  return new SondeError(
    NO_RIGHT.has(code) ? "RIGHT_MISSING" : "STARTING_FAILED",
    `${what}: ${getSystemErrorMessage(errno)} (${code})`,
    { cause: thrown },
  );
}

type SystemError = Error & {
  errno: number;
  code: string;
  syscall: string;
  path?: string;
  dest?: string;
};

function isSystemError(thrown: unknown): thrown is SystemError {
  return (
    thrown instanceof Error &&
    "syscall" in thrown &&
    "errno" in thrown &&
    typeof thrown.errno === "number" &&
    !(thrown instanceof SondeError)
  );
}
