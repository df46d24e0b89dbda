import { type ErrorBody, SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";

/** Output streams of a program, and the environment that it was started with. */
export type ProgramIo = {
  out(text: string): void;
  err(text: string): void;
  env: ReadonlyMap<string, string | undefined>;
  /** Asks the person at the terminal; absent without a terminal. */
  ask?: (question: string) => Promise<boolean>;
  /** Aborts on Ctrl-C, on a signal or when the launcher dies, which then no longer end the program. */
  untilStopped(): AbortSignal;
};

/** Result of a command: `data` for programs, `text` for people. */
export type Outcome = { data: object; text: string; failed?: boolean };

/** Exit codes: 0 done, 1 refused or failed, 2 wrong usage. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

/**
 * Wraps a command's work. Prints its outcome, or the error with its code and next step, and passes
 * the exit code to `finish`.
 */
export function reportTo(
  io: ProgramIo,
  finish: (exitCode: number) => void,
): (command: Command, work: () => Promise<Outcome>) => Promise<void> {
  return async (command, work) => {
    const json = command.opts<{ json?: boolean }>().json === true;
    try {
      const { data, text, failed } = await work();
      io.out(json ? JSON.stringify(data) : text);
      finish(failed === true ? EXIT.refused : EXIT.done);
    } catch (thrown) {
      const body = describeThrown(thrown).toBody();
      if (json) io.out(JSON.stringify(body));
      else io.err(explainError(body.error));
      finish(EXIT.refused);
    }
  };
}

/** An error for a person, with its code and the next step. */
export function explainError({ code, message, hint }: ErrorBody["error"]): string {
  return `error ${code}: ${message}\n  next: ${hint}`;
}

/** A file that cannot be read or written is the user's error, not a defect of the program. */
export function describeThrown(thrown: unknown): SondeError {
  const { code, path } = thrown as Partial<NodeJS.ErrnoException>;
  if (typeof code === "string" && typeof path === "string") {
    if (code === "ENOENT") return new SondeError("NOT_FOUND", `expected a file ${path}, got none`);
    if (code === "EACCES" || code === "EPERM") {
      return new SondeError("RIGHT_MISSING", `expected the right to use ${path}, got ${code}`);
    }
    if (code === "EEXIST") {
      return new SondeError("BAD_REQUEST", `expected nothing at ${path}, got a file`);
    }
    return new SondeError("BAD_REQUEST", `expected to use ${path}, got ${code}`);
  }
  return toSondeError(thrown);
}
