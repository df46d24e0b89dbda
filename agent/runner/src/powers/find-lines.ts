/** Reads at most `length` bytes at a position of a file; fewer only where the file ends. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

/** One or more whole lines that stand together in a file, and where they begin. */
export type Run = { at: number; bytes: Buffer };

export type Search = {
  /** The file's size. */
  size: number;
  /** How far back from the end to search. */
  searchBytes: number;
  /** At most so many lines are given. */
  newest: number;
  /** Lines must contain these bytes; undefined for every line. */
  needle: Buffer | undefined;
  /** The needle has no letter from A to Z, and those of the file count as small ones. */
  ignoreCase: boolean;
  /** At most so many bytes are given, in so many runs. */
  maxBytes: number;
  maxRuns: number;
  /** When to stop, by the clock `now`. */
  endsAt: number;
  now: () => number;
};

export type FoundLines = {
  /** The newest is the last. */
  runs: Run[];
  matchCount: number;
  searchedBytes: number;
  cutByDeadline: boolean;
  /** A newest line that fits was left out, because the limits did not allow it. */
  truncated: boolean;
};

const CHUNK = 1_048_576;
/** A longer line is counted and not given. */
const LONGEST_LINE = 1_048_576;
const NEWLINE = 0x0a;

/**
 * Searches a file from its end to its beginning, so that what is found first is the newest. Needs
 * memory for two chunks and for what it gives, however large the file is.
 *
 * A line that begins before the searched part is not looked at.
 */
export async function findLines(read: ReadAt, search: Search): Promise<FoundLines> {
  const kept = new KeptLines(search);
  const start = Math.max(0, search.size - search.searchBytes);
  // With the byte before, which shows whether the searched part begins with a line.
  const floor = Math.max(0, start - 1);
  let at = search.size;
  /** The beginning of what was read, whose line begins further ahead. */
  let rest: Buffer = Buffer.alloc(0);
  let isInLongLine = false;
  let cutByDeadline = false;
  while (at > floor && !kept.hasEnough()) {
    cutByDeadline = search.now() >= search.endsAt;
    if (cutByDeadline) break;
    const from = Math.max(floor, at - CHUNK);
    let block = Buffer.concat([await read(from, at - from), rest]);
    at = from;
    const isFileStart = start === 0 && from === 0;
    if (isInLongLine) {
      const lineEnd = block.lastIndexOf(NEWLINE);
      rest = kept.addPiece(block.subarray(lineEnd + 1));
      if (lineEnd === -1 && !isFileStart) continue;
      kept.endLongLine();
      block = block.subarray(0, lineEnd + 1);
    }
    const firstEnd = block.indexOf(NEWLINE);
    const begin = isFileStart ? 0 : firstEnd === -1 ? block.length : firstEnd + 1;
    kept.addLines(block.subarray(begin), from + begin);
    isInLongLine = begin > LONGEST_LINE;
    rest = isInLongLine ? kept.addPiece(block.subarray(0, begin)) : block.subarray(0, begin);
  }
  return {
    ...kept.result(),
    searchedBytes: Math.min(search.size - at, search.size - start),
    cutByDeadline,
  };
}

/**
 * Reads found lines again, with so many bytes before and after them. What stands around other lines
 * than the found ones would say nothing about these.
 *
 * @returns null when they are not there any more
 */
export async function readAround(
  read: ReadAt,
  { at, bytes: lines }: Run,
  before: number,
  after: number,
): Promise<{ bytes: Buffer; from: number; to: number } | null> {
  const start = Math.max(0, at - before);
  const [from, to] = [at - start, at - start + lines.length];
  const bytes = await read(start, to + after);
  return bytes.subarray(from, to).equals(lines) ? { bytes, from, to } : null;
}

/** Keeps the newest lines that fit, within the limits, and counts all. */
class KeptLines {
  readonly #search: Search;
  /** The newest is the first. */
  readonly #lines: Run[] = [];
  #bytes = 0;
  #runs = 0;
  #count = 0;
  #isFull = false;
  #truncated = false;
  #isLongFitting = false;

  constructor(search: Search) {
    this.#search = search;
  }

  /** Without a text to search for, nothing is gained by reading on. */
  hasEnough(): boolean {
    return this.#search.needle === undefined && this.#isFull;
  }

  /** Adds whole lines that begin at a position of the file. */
  addLines(lines: Buffer, at: number): void {
    const { needle } = this.#search;
    const folded = this.#fold(lines);
    let end = lines.length;
    while (end > 0 && !this.hasEnough()) {
      let inside = end - 1;
      if (needle !== undefined) {
        inside = end < needle.length ? -1 : folded.lastIndexOf(needle, end - needle.length);
        if (inside === -1) return;
        const lineEnd = lines.indexOf(NEWLINE, inside);
        end = lineEnd === -1 ? lines.length : lineEnd + 1;
      }
      // The line end at the line's own end is not the one before it.
      const before = end >= 2 ? lines.lastIndexOf(NEWLINE, Math.min(inside, end - 2)) : -1;
      this.#add({ at: at + before + 1, bytes: lines.subarray(before + 1, end) });
      end = before + 1;
    }
  }

  /**
   * Looks at a part of a line that is too long to be given, from its end on.
   *
   * @returns its beginning, in which a text may end that begins in the next part
   */
  addPiece(piece: Buffer): Buffer {
    const { needle } = this.#search;
    this.#isLongFitting ||= needle === undefined || this.#fold(piece).includes(needle);
    return piece.subarray(0, (needle?.length ?? 1) - 1);
  }

  endLongLine(): void {
    if (this.#isLongFitting) {
      this.#count += 1;
      this.#truncated = true;
    }
    this.#isLongFitting = false;
  }

  result(): Pick<FoundLines, "runs" | "matchCount" | "truncated"> {
    const runs: Run[] = [];
    for (const line of this.#lines.toReversed()) {
      const last = runs.at(-1);
      if (last !== undefined && last.at + last.bytes.length === line.at) {
        last.bytes = Buffer.concat([last.bytes, line.bytes]);
      } else runs.push({ ...line });
    }
    const isSearched = this.#search.needle !== undefined;
    const matchCount = isSearched ? this.#count : this.#lines.length;
    return { runs, matchCount, truncated: this.#truncated };
  }

  #add(line: Run): void {
    this.#count += 1;
    if (this.#isFull) return;
    const { newest, maxBytes, maxRuns } = this.#search;
    const last = this.#lines.at(-1);
    const isNextTo = last !== undefined && line.at + line.bytes.length === last.at;
    const runs = this.#runs + (isNextTo ? 0 : 1);
    if (this.#bytes + line.bytes.length > maxBytes || runs > maxRuns) {
      this.#isFull = true;
      this.#truncated = true;
      return;
    }
    // A copy, since the chunk that it is part of should not stay.
    this.#lines.push({ at: line.at, bytes: Buffer.from(line.bytes) });
    this.#bytes += line.bytes.length;
    this.#runs = runs;
    this.#isFull = this.#lines.length >= newest;
  }

  #fold(bytes: Buffer): Buffer {
    return this.#search.needle !== undefined && this.#search.ignoreCase ? toSmall(bytes) : bytes;
  }
}

/** Turns the letters A to Z into small ones. Every other byte stays, so UTF-8 stays whole. */
export function toSmall(bytes: Buffer): Buffer {
  const small = Buffer.allocUnsafe(bytes.length);
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number;
    small[index] = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  }
  return small;
}
