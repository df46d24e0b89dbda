import { ERROR_TABLE, SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";

/** Where a program writes lines, and the environment it was started with. */
export type ProgramIo = {
  out(text: string): void;
  err(text: string): void;
  env: ReadonlyMap<string, string | undefined>;
  /** Asks whoever sits at the terminal; absent where nobody does. */
  ask?: (question: string) => Promise<boolean>;
};

/** What a command has to say: to a program, and to a person. */
export type Outcome = { data: object; text: string; failed?: boolean };

/** The exit codes: done, refused or failed, wrong usage. */
export const EXIT = { done: 0, refused: 1, usage: 2 } as const;

/**
 * Wraps a command's work: prints its outcome, or the error with its code and
 * the next step, and says through `finish` how the program must end.
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
      const error = describeThrown(thrown);
      if (json) io.out(JSON.stringify(error.toBody()));
      else io.err(`error ${error.code}: ${error.message}\n  next: ${ERROR_TABLE[error.code].hint}`);
      finish(EXIT.refused);
    }
  };
}

/** A file that cannot be read or written is the user's to mend, not a defect. */
function describeThrown(thrown: unknown): SondeError {
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
