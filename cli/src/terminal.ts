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
    const advice = `${error.code}: ${error.message}\n  ${ERROR_TABLE[error.code].hint}\n`;
    complain(nameFolder(advice, process.argv));
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
        const code = report(thrown);
        await flushed();
        process.exit(code);
      }
      await flushed();
      // 0, or the code that a command left in process.exitCode.
      process.exit();
    },
  };
}

/** Resolves when all that was printed has left: an exit would cut a long answer in a pipe. */
function flushed(): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write("", () => resolve());
  });
}

/** `sonde trust add acme --key FILE` in a text. */
const TRUST_COMMAND = /\bsonde trust [a-z-]+(?: (?!--)[A-Za-z0-9-]+)?(?: --[a-z-]+ [A-Z]+)*/g;

/**
 * Hub and agent name the command that lets a signer sign, and know no data folder of a person. It
 * gets the one that was given with the command that failed.
 */
function nameFolder(text: string, argv: readonly string[]): string {
  const at = argv.indexOf("--data");
  const given = at < 0 ? argv.find((word) => word.startsWith("--data="))?.slice(7) : argv[at + 1];
  if (given === undefined) return text;
  return text.replace(TRUST_COMMAND, (command) => `${command} --data ${given}`);
}
