import { spawn } from "node:child_process";
import { toPlainText } from "@sonde/schemas/plain-text";

/** Runs a program that prints log lines, and shows them without what a terminal would obey. */
export function showLog(program: string, words: readonly string[]): Promise<number> {
  const child = spawn(program, words, { stdio: ["inherit", "pipe", "inherit"] });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(toPlainText(text));
  });
  // Whoever read this, such as head(1), has enough.
  process.stdout.on("error", () => child.kill());
  return new Promise((resolve, reject) => {
    child.once("error", reject).once("close", (code) => resolve(code ?? 0));
  });
}
