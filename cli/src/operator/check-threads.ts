import { Worker } from "node:worker_threads";
import { SondeError } from "@sonde/schemas/errors";
import type { Stretch } from "@sonde/trust/hub-log";
import type { Piece } from "./read-lines.ts";

/** Threads that check pieces of an export. They start when there is something to do for them. */
export type CheckThreads = {
  /**
   * Gives a piece to the thread that has the least to do. The piece is gone then.
   *
   * @throws SondeError INTERNAL when that thread does not start, or ends before it has answered
   */
  check(piece: Piece): Promise<Stretch>;
  close(): Promise<void>;
};

type Thread = { check: (piece: Piece) => Promise<Stretch>; count: () => number; worker: Worker };

/**
 * @param program path of `check-lines`
 * @param most threads
 * @param agents whose entries are compared
 */
export function createThreads(
  program: string,
  most: number,
  agents: ReadonlySet<string>,
): CheckThreads {
  const threads: Thread[] = [];
  return {
    check(piece) {
      if (threads.length < most) threads.push(startThread(program, agents));
      const [idlest] = threads.toSorted((a, b) => a.count() - b.count());
      if (idlest === undefined) throw new RangeError("expected a thread at least");
      return idlest.check(piece);
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

function startThread(program: string, agents: ReadonlySet<string>): Thread {
  const worker = new Worker(program, { workerData: [...agents] });
  const asked: PromiseWithResolvers<Stretch>[] = [];
  let lost: SondeError | null = null;
  const lose = (why: string, cause?: Error): void => {
    const said = cause === undefined ? why : `${why}: ${cause.message}`;
    lost ??= new SondeError(
      "INTERNAL",
      `expected a thread of ${program} to check the export, ${said}`,
      { cause },
    );
    for (const { reject } of asked.splice(0)) reject(lost);
  };
  worker.on("message", (stretch: Stretch) => asked.shift()?.resolve(stretch));
  worker.on("messageerror", (cause) => lose("its answer cannot be read", cause));
  worker.on("error", (cause) => lose("it failed", cause));
  worker.on("exit", (code) => lose(`it ended with ${code}`));
  return {
    worker,
    count: () => asked.length,
    check(piece) {
      const answer = Promise.withResolvers<Stretch>();
      // Nobody waits for it any more after a bad entry.
      answer.promise.catch(() => undefined);
      if (lost === null) {
        asked.push(answer);
        worker.postMessage(piece, [piece.buffer]);
      } else answer.reject(lost);
      return answer.promise;
    },
  };
}
