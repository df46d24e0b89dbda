import { parentPort } from "node:worker_threads";
import { renderMarkdown } from "./edge/readme/render-markdown.ts";

// The program of a worker thread: Markdown in, safe HTML out, one at a time.
parentPort?.on("message", (text: string) => parentPort?.postMessage(renderMarkdown(text)));
