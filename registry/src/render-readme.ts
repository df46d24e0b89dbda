import { parentPort } from "node:worker_threads";
import { renderMarkdown } from "./edge/readme/render-markdown.ts";

// Program of the worker thread. It reports that it is ready, and then answers each Markdown text
// with safe HTML, one at a time.
parentPort?.on("message", (text: string) => parentPort?.postMessage(renderMarkdown(text)));
parentPort?.postMessage("ready");
