import type { Command } from "commander";
import type { Outcome, ProgramIo } from "./outcome.ts";

export type Report = (command: Command, work: () => Promise<Outcome>) => Promise<void>;

/** Adds a command to the program. */
export type AddCommand = (
  program: Command,
  report: Report,
  env: ReadonlyMap<string, string | undefined>,
  io: ProgramIo,
) => void;

/** Starts a subcommand with the options that all of them share. */
export function startCommand(program: Command, usage: string, summary: string): Command {
  return program
    .command(usage)
    .summary(summary)
    .description(summary)
    .option("--json", "print one line of JSON instead of text");
}
