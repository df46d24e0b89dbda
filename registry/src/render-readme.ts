import { parentPort } from "node:worker_threads";
import { renderMarkdown } from "./edge/readme/render-markdown.ts";

// The program of a worker thread: says that it is ready, then Markdown in, safe
// HTML out, one at a time.
parentPort?.on("message", (text: string) => parentPort?.postMessage(renderMarkdown(text)));
parentPort?.postMessage("ready");
