import type { Terminal } from "../terminal.ts";

/** Reports progress on standard error, so that standard output holds only the answer. */
export type Progress = {
  step<T>(what: string, work: () => Promise<T>): Promise<T>;
  say(text: string): void;
};

/** @param json whether a program reads standard output; then only a person at a terminal is told */
export function openProgress(json: boolean, { show }: Terminal): Progress {
  const isQuiet = json && !process.stderr.isTTY;
  return createProgress(isQuiet ? () => undefined : (text) => process.stderr.write(show(text)));
}

export function createProgress(write: (text: string) => void): Progress {
  return {
    async step(what, work) {
      const started = performance.now();
      write(`  ${what} ... `);
      try {
        const result = await work();
        write(`${((performance.now() - started) / 1000).toFixed(1)} s\n`);
        return result;
      } catch (thrown) {
        write("failed\n");
        throw thrown;
      }
    },
    say: (text) => write(`${text}\n`),
  };
}
