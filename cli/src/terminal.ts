import { ERROR_TABLE, toSondeError } from "@sonde/schemas/errors";
import { toPlainText } from "@sonde/schemas/plain-text";
import { explainSystemError } from "./system-error.ts";

/** Where a person reads what a program of this workspace says. */
export type Terminal = {
  /** What a terminal gets: commands that work, and nothing of strangers that it would obey. */
  show: (text: string) => string;
  print: (text: string) => void;
  /** Does the work of a program, says why it failed, and ends the process with its exit code. */
  run: (work: () => Promise<unknown>) => Promise<never>;
};

/** @param toWords rewrites the commands in a text to those that work where it is read */
export function createTerminal(toWords: (text: string) => string): Terminal {
  const show = (text: string): string => toPlainText(toWords(text));
  const print = (text: string): void => void process.stdout.write(`${show(text)}\n`);
  const complain = (text: string): void => void process.stderr.write(show(text));

  /** @returns the exit code */
  function report(thrown: unknown): number {
    if (thrown instanceof Error && "exitCode" in thrown) return Number(thrown.exitCode);
    if (thrown instanceof Error && thrown.name === "AbortError") {
      complain("\nStopped at the question; it changed nothing.\n");
      // As a shell reports a program that Ctrl-C ended.
      return 130;
    }
    const error = toSondeError(explainSystemError(thrown));
    if (process.argv.includes("--json")) print(JSON.stringify(error.toBody()));
    complain(`${error.code}: ${error.message}\n  ${ERROR_TABLE[error.code].hint}\n`);
    if (error.code === "INTERNAL" && error.cause instanceof Error) {
      complain(`${error.cause.stack}\n`);
    }
    return 1;
  }

  return {
    show,
    print,
    async run(work) {
      try {
        await work();
      } catch (thrown) {
        process.exit(report(thrown));
      }
      // 0, or the code that a command left in process.exitCode.
      process.exit();
    },
  };
}
