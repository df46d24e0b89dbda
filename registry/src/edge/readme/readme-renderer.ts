import { Worker } from "node:worker_threads";
import { html as markup } from "../web/html.ts";

const DEADLINE_MS = 1000;
const IDLE_MS = 10_000;

/**
 * Renders READMEs in a thread of its own, one at a time: a text made to be slow
 * costs that thread one deadline, never the event loop, and is shown as plain
 * text. The thread starts with the first README and ends when idle.
 */
export type ReadmeRenderer = {
  render(markdown: string): Promise<string>;
  close(): Promise<void>;
};

/** @param program path of `render-readme`, whose text is run by the thread */
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
    worker ??= new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: 96 } });
    const html = await ask(worker, text);
    if (html === null) await stop();
    idle = setTimeout(() => void stop(), IDLE_MS).unref();
    // Shown as it is written.
    return html ?? markup`<pre>${text}</pre>`.text;
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

/** @returns null when the thread ended, or did not answer in time */
function ask(worker: Worker, text: string): Promise<string | null> {
  return new Promise((resolve) => {
    const settle = (html: string | null): void => {
      clearTimeout(deadline);
      for (const event of ["message", "error", "exit"]) worker.removeAllListeners(event);
      // A thread that is given up may still fail; nobody waits for it any more.
      worker.on("error", () => undefined);
      resolve(html);
    };
    const deadline = setTimeout(() => settle(null), DEADLINE_MS);
    worker.once("message", (html: string) => settle(html));
    worker.once("error", () => settle(null));
    worker.once("exit", () => settle(null));
    worker.postMessage(text);
  });
}
