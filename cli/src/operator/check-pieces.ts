import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import { checkStretch, type Stretch } from "@sonde/trust/hub-log";
import { createThreads } from "./check-threads.ts";
import { type Piece, splitLines } from "./read-lines.ts";

/** So much is checked before threads start: all of a small log. */
const ALONE_BYTES = 32 * 1024 * 1024;
/** More of them would wait for the thread that takes their answers. */
const MAX_THREADS = 6;
/** What a thread has to do, and what it has done and nobody took yet. */
const BYTES_EACH = 4 * 1024 * 1024;

/** It lies beside this file, in source and bundle alike. */
const PROGRAM = join(import.meta.dirname, `check-lines${extname(import.meta.filename)}`);

/** `count` is 0 on a machine that has a single core. */
export type Threads = { program: string; count: number; aloneBytes: number };

/**
 * Checks pieces of an export, a long one in threads. The answers come in the order of the pieces, and
 * are the same whoever gives them. Pieces that wait for a thread, and answers that wait for the reader,
 * are of a few megabytes together, or of one piece.
 *
 * @param agents whose entries are compared
 * @throws SondeError INTERNAL when a thread does not start, or ends; what `pieces` throws, after all
 *   answers
 */
export async function* checkPieces(
  pieces: AsyncIterable<Piece>,
  agents: ReadonlySet<string>,
  { program = PROGRAM, count = countThreads(), aloneBytes = ALONE_BYTES }: Partial<Threads> = {},
): AsyncGenerator<Stretch> {
  const threads = createThreads(program, count, agents);
  let bytes = 0;
  const check = (piece: Piece): Stretch | Promise<Stretch> => {
    bytes += piece.length;
    const isAlone = count === 0 || bytes <= aloneBytes;
    return isAlone ? checkStretch(splitLines(piece), agents) : threads.check(piece);
  };
  try {
    yield* inOrder(pieces, check, Math.max(1, count) * BYTES_EACH);
  } finally {
    await threads.close();
  }
}

function countThreads(): number {
  const cores = availableParallelism();
  return cores === 1 ? 0 : Math.min(cores, MAX_THREADS);
}

/** @param most so many bytes are in hand together, or a single piece */
async function* inOrder(
  pieces: AsyncIterable<Piece>,
  check: (piece: Piece) => Stretch | Promise<Stretch>,
  most: number,
): AsyncGenerator<Stretch> {
  const asked: { bytes: number; answer: Stretch | Promise<Stretch> }[] = [];
  let inHand = 0;
  async function* takeUntil(bytes: number): AsyncGenerator<Stretch> {
    for (let first = asked[0]; first !== undefined && inHand > bytes; first = asked[0]) {
      yield await first.answer;
      asked.shift();
      inHand -= first.bytes;
    }
  }
  const broken: { by?: unknown } = {};
  for await (const piece of untilBroken(pieces, broken)) {
    const bytes = piece.length;
    yield* takeUntil(most - bytes);
    asked.push({ bytes, answer: check(piece) });
    inHand += bytes;
  }
  yield* takeUntil(0);
  if ("by" in broken) throw broken.by;
}

/** Whatever ends the pieces comes after what they say. */
async function* untilBroken(
  pieces: AsyncIterable<Piece>,
  broken: { by?: unknown },
): AsyncGenerator<Piece> {
  try {
    yield* pieces;
  } catch (thrown) {
    broken.by = thrown;
  }
}
