import { accessSync, constants } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { RELEASE } from "../schemas/src/release.ts";

/** How a bundled program is called; scripts/bundle.mjs lists them. */
export type ProgramUsage = {
  name: string;
  does: string;
  /** Whether the only argument is the path of a configuration file. Other programs take none. */
  config: boolean;
};

/**
 * Answers `--help` and `--version`, and refuses what the program does not take, before anything of
 * the program runs. Ends the process then; else returns.
 */
export function answerArguments(usage: ProgramUsage): void {
  if (!isMainThread) return;
  const args = process.argv.slice(2);
  const line = `node ${usage.name}.js${usage.config ? " CONFIG" : ""}`;
  if (args.includes("--help") || args.includes("-h")) {
    const config = usage.config ? "\nCONFIG is a JSON file; `npm start` writes one.\n" : "";
    process.stdout.write(
      `Usage: ${line}\n\n${usage.does}\n${config}\n  --help     print this\n  --version  print the release\n`,
    );
    process.exit(0);
  }
  if (args.includes("--version")) {
    process.stdout.write(`${RELEASE}\n`);
    process.exit(0);
  }
  const option = args.find((arg) => arg.startsWith("-"));
  if (option !== undefined) refuse("BAD_REQUEST", `unknown option ${option}`, line);
  if (args.length !== (usage.config ? 1 : 0)) {
    const wanted = usage.config ? "a configuration as the only argument" : "no argument";
    refuse("BAD_REQUEST", `expected ${wanted}, got ${args.length} arguments`, line);
  }
  if (usage.config) requireReadable(args[0] ?? "", line);
}

function requireReadable(path: string, line: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch {
    refuse("CONFIG_INVALID", `expected a configuration at ${path}, cannot read it`, line);
  }
}

/** The error body on standard output is for a supervisor, the sentence for a person. */
function refuse(code: "BAD_REQUEST" | "CONFIG_INVALID", message: string, line: string): void {
  process.stdout.write(`${JSON.stringify({ error: { code, message, retryable: false } })}\n`);
  process.stderr.write(`${code}: ${message}\n  Usage: ${line}\n`);
  process.exit(2);
}
