import { parentPort, workerData } from "node:worker_threads";
import { checkStretch } from "@sonde/trust/hub-log";
import { type Piece, splitLines } from "./read-lines.ts";

// Program of a thread of `check-threads.ts`: says of each piece of an export what can be said of it
// alone, one after the other.
const agents = new Set(workerData as string[]);
parentPort?.on("message", (piece: Piece) => {
  const stretch = checkStretch(splitLines(piece), agents);
  parentPort?.postMessage(stretch, [stretch.hashes.buffer, stretch.leaves.buffer]);
});
