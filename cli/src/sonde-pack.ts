// Entry of `sonde-pack`. Only this file touches argv, the environment and the exit code.
import { createInterface } from "node:readline/promises";
import { runPackProgram } from "./pack/program.ts";

process.exitCode = await runPackProgram(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  env: new Map(Object.entries(process.env)),
  ...(process.stdin.isTTY && process.stdout.isTTY && { ask }),
});

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
