import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

/** Asks for a secret. A person's typing is not shown; without a terminal it is read from the pipe. */
export async function askSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY) return readFileSync(0, "utf8");
  process.stderr.write(`${question} (it is not shown): `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await terminal.question("");
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
