import { SondeError } from "@sonde/schemas/errors";
import type { Command, CommandOptions } from "commander";

export type Print = (text: string) => void;

/** Starts a subcommand about one data folder, with the options that all of these share. */
export function startDataCommand(
  parent: Command,
  usage: string,
  description: string,
  options: CommandOptions = {},
): Command {
  return parent
    .command(usage, options)
    .description(description)
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print JSON");
}

/** @throws SondeError BAD_REQUEST unless the text is a whole number from `least` to `most` */
export function parseCount(option: string, text: string, least: number, most: number): number {
  const count = Number(text);
  if (/^[0-9]+$/.test(text) && count >= least && count <= most) return count;
  throw new SondeError("BAD_REQUEST", `expected ${option} ${least} to ${most}, got ${text}`);
}
