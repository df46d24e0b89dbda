// Entry of `sonde-pack`. Only this file touches argv, the environment and the exit code.
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { toPlainText } from "@sonde/schemas/plain-text";
import { createWording } from "./link/programs.ts";
import { runPackProgram } from "./pack/program.ts";
import { untilStopped } from "./until-stopped.ts";

const toWords = createWording(resolve(dirname(fileURLToPath(import.meta.url)), "../.."), {
  path: process.env["PATH"] ?? "",
  cwd: process.cwd(),
});
/** What a terminal gets: commands that work, and nothing of strangers that it would obey. */
const show = (text: string): string => toPlainText(toWords(text));
process.exitCode = await runPackProgram(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${show(text)}\n`),
  err: (text) => process.stderr.write(`${show(text)}\n`),
  env: new Map(Object.entries(process.env)),
  untilStopped: () => {
    const ending = new AbortController();
    void untilStopped().then(() => ending.abort());
    return ending.signal;
  },
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
