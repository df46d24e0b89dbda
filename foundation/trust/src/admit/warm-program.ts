import { dirname } from "node:path";
import { residentBytes } from "@sonde/privileges";
import { SondeError } from "@sonde/schemas/errors";
import { readLines } from "./read-lines.ts";
import { type ProgramProcess, startProgram } from "./start-program.ts";

/** Limits of one request. Beyond one of them the process is killed. */
export type WarmLimits = { deadlineMs: number; maxLineBytes: number; maxMemoryBytes: number };

const WATCH_MS = 50;

/**
 * An admit program that is kept running. The caller sends one request at a time. Any
 * failure kills the process, and it takes no further request. The process may read its
 * own folder and `readable`, writes nothing, and ends with its owner.
 */
export class WarmProgram {
  readonly #child: ProgramProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #limits: WarmLimits;
  #hasEnded = false;

  constructor(programPath: string, readable: string, limits: WarmLimits) {
    this.#limits = limits;
    this.#child = startProgram(programPath, [
      "--permission",
      `--allow-fs-read=${dirname(programPath)}/*`,
      `--allow-fs-read=${readable}/*`,
    ]);
    const end = (): boolean => (this.#hasEnded = true);
    this.#child.on("exit", end).on("error", end);
    this.#lines = readLines(this.#child.stdout, limits.maxLineBytes);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * @returns the one line of its answer, unparsed
   * @throws SondeError CHECK_FAILED when the process ended, or exceeded its deadline,
   *   memory or answer size
   */
  async ask(request: object): Promise<string> {
    const { deadlineMs, maxMemoryBytes } = this.#limits;
    let reason = "its end";
    const giveUp = (why: string): void => {
      reason = why;
      this.kill();
    };
    const deadline = setTimeout(() => giveUp(`none in ${deadlineMs} ms`), deadlineMs);
    const watch = setInterval(() => {
      if (residentBytes(this.#child.pid) > maxMemoryBytes) giveUp("more memory than it may have");
    }, WATCH_MS);
    try {
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
      const { done, value } = await this.#lines.next();
      if (done !== true) return value;
      throw new SondeError("CHECK_FAILED", `the admit program: expected an answer, got ${reason}`);
    } catch (cause) {
      this.kill();
      if (cause instanceof SondeError && cause.code === "CHECK_FAILED") throw cause;
      throw new SondeError("CHECK_FAILED", "the admit program: expected an answer, got none", {
        cause,
      });
    } finally {
      clearTimeout(deadline);
      clearInterval(watch);
    }
  }

  kill(): void {
    this.#hasEnded = true;
    this.#child.kill("SIGKILL");
  }
}
