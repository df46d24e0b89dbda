import { Worker } from "node:worker_threads";
import { SondeError } from "@sonde/schemas/errors";
import { renderSource } from "./render-source.ts";

/** Starts when the thread is ready, so that a slow start on a busy machine costs no README. */
const DEADLINE_MS = 2000;
const START_DEADLINE_MS = 30_000;
const IDLE_MS = 10_000;

/**
 * Renders READMEs in a worker thread, one at a time. A README that is made to be slow costs one
 * deadline of that thread, never the event loop, and is then shown as plain text. The thread starts
 * with the first README and ends when idle.
 *
 * `render` throws SondeError INTERNAL when the thread cannot be started.
 */
export type ReadmeRenderer = {
  render(markdown: string): Promise<string>;
  close(): Promise<void>;
};

/** @param program path of `render-readme`, which the thread runs */
export function createReadmeRenderer(program: string): ReadmeRenderer {
  let worker: Worker | null = null;
  let idle: NodeJS.Timeout | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  async function stop(): Promise<void> {
    const stopped = worker;
    worker = null;
    await stopped?.terminate();
  }

  async function renderNext(text: string): Promise<string> {
    clearTimeout(idle);
    worker ??= await startWorker(program);
    const html = await nextMessage(worker, DEADLINE_MS, () => worker?.postMessage(text));
    if (html === null) await stop();
    idle = setTimeout(() => void stop(), IDLE_MS).unref();
    // Without a result the source text is shown.
    return html ?? renderSource(text);
  }

  return {
    render(markdown) {
      const turn = queue.then(() => renderNext(markdown));
      queue = turn.catch(() => undefined);
      return turn;
    },
    async close() {
      clearTimeout(idle);
      await stop();
    },
  };
}

async function startWorker(program: string): Promise<Worker> {
  const worker = new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: 96 } });
  if ((await nextMessage(worker, START_DEADLINE_MS, () => undefined)) !== null) return worker;
  await worker.terminate();
  throw new SondeError("INTERNAL", `expected a thread of ${program}, it did not start`);
}

/**
 * Calls `ask` and resolves with the thread's next message.
 *
 * @returns null when the thread ended or did not answer within `limitMs`
 */
function nextMessage(worker: Worker, limitMs: number, ask: () => void): Promise<string | null> {
  return new Promise((resolve) => {
    const settle = (message: string | null): void => {
      clearTimeout(deadline);
      for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
      // A thread that is being ended may still fail; ignore its error.
      worker.on("error", () => undefined);
      resolve(message);
    };
    const deadline = setTimeout(() => settle(null), limitMs);
    worker.once("message", (message: string) => settle(message));
    worker.once("error", () => settle(null));
    worker.once("exit", () => settle(null));
    ask();
  });
}
