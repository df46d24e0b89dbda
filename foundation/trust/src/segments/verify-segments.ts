import {
  type AuditEntry,
  type DroppedEntries,
  parseAuditEntry,
  parseDroppedEntries,
} from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import type { LogHead } from "@sonde/schemas/wire";
import { EMPTY_HEAD, explainBreak, headAfter } from "../chain/index.ts";
import { requireSegments, readLinesFrom, segmentName } from "./segment-files.ts";

const ATTEMPTS = 3;

/** The first thing in a log that is not as its agent wrote it. */
export type Bad = {
  segment: string;
  /** Counted from 1; null for the segment itself. */
  line: number | null;
  /** What it proves. */
  proves: string;
};

export type AuditVerdict = {
  /** Number of the first entry that is there. */
  first: number;
  /** The last entry that follows from the first one. */
  head: LogHead;
  /** What stood before the first entry; null when nothing was dropped. */
  dropped: DroppedEntries | null;
  bad: Bad | null;
  /** Bytes of a last line that is not whole: it is being written, or a crash cut it. */
  tornBytes: number;
  /** The hash of each entry of `sizes` that the caller asked for, as far as it is there. */
  hashes: ReadonlyMap<number, string>;
};

/**
 * Verifies every entry of a log on disk. Changes nothing; its agent may go on writing.
 *
 * @param sizes entries whose hashes the caller wants to compare with what others know
 * @throws SondeError NOT_FOUND when there is no log, AUDIT_UNAVAILABLE when a segment cannot be read;
 *   other errors as open(2)
 */
export function verifySegments(folder: string, sizes: readonly number[] = []): AuditVerdict {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return verifyOnce(folder, sizes);
    } catch (thrown) {
      // The agent dropped a segment between the look at the folder and the one at the file.
      const isGone = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
      if (!isGone || attempt === ATTEMPTS) throw thrown;
    }
  }
}

function verifyOnce(folder: string, sizes: readonly number[]): AuditVerdict {
  const walk = new Walk(folder, sizes);
  for (const name of requireSegments(folder)) {
    const bad = walk.readSegment(name);
    if (bad !== null) return walk.verdict(bad);
  }
  return walk.verdict(null);
}

class Walk {
  readonly #folder: string;
  readonly #hashes = new Map<number, string>();
  readonly #wanted: ReadonlySet<number>;
  /** Heads at the ends of segments: only whole segments are dropped. */
  readonly #ends = new Map<number, string>();
  readonly #claims: { claim: DroppedEntries; segment: string; line: number }[] = [];
  #start: LogHead | null = null;
  #firstSegment = "";
  #head = EMPTY_HEAD;
  #tornBytes = 0;

  constructor(folder: string, sizes: readonly number[]) {
    this.#folder = folder;
    this.#wanted = new Set(sizes);
  }

  /** @returns what is wrong with it, or null */
  readSegment(name: string): Bad | null {
    if (this.#tornBytes > 0) {
      return {
        segment: name,
        line: null,
        proves: "the segment before it ends in half a line: it was cut",
      };
    }
    const lines = readLinesFrom(this.#folder, name, 0);
    for (let line = 1; ; line += 1) {
      const read = lines.next();
      if (read.done === true) {
        this.#tornBytes = read.value;
        break;
      }
      const proves = this.#readLine(name, line, read.value.line);
      if (proves !== null) return { segment: name, line, proves };
    }
    this.#ends.set(this.#head.size, this.#head.hash);
    return null;
  }

  verdict(bad: Bad | null): AuditVerdict {
    const start = this.#start ?? EMPTY_HEAD;
    const dropped = start.size === 0 ? null : this.#findClaim(start);
    return {
      first: start.size + 1,
      head: this.#head,
      dropped,
      bad: bad ?? this.#checkStart(start, dropped),
      tornBytes: this.#tornBytes,
      hashes: this.#hashes,
    };
  }

  #readLine(segment: string, line: number, text: string): string | null {
    const parsed = parseLine(text, segment);
    if (parsed === null) {
      return `expected entry ${this.#head.size + 1}, got a line that is none: it was damaged or changed`;
    }
    const { entry, claim } = parsed;
    this.#start ??= this.#begin(segment, entry);
    if (line === 1 && segmentName(entry.seq) !== segment) {
      return `expected the first entry of ${segment}, got entry ${entry.seq}: a file was renamed or a line moved`;
    }
    const proves = explainBreak(this.#head, entry);
    if (proves !== null) return proves;
    this.#head = headAfter(entry);
    if (this.#wanted.has(entry.seq)) this.#hashes.set(entry.seq, entry.hash);
    if (claim !== null) this.#claims.push({ claim, segment, line });
    return null;
  }

  /** The log begins where its first entry says; `#checkStart` asks why not with entry 1. */
  #begin(segment: string, { seq, previous }: AuditEntry): LogHead {
    this.#firstSegment = segment;
    this.#head = seq === 1 ? EMPTY_HEAD : { size: seq - 1, hash: previous };
    return this.#head;
  }

  /** The latest statement that covers all that is missing. A crash may have kept some of it. */
  #findClaim(start: LogHead): DroppedEntries | null {
    return this.#claims.findLast(({ claim }) => claim.head.size >= start.size)?.claim ?? null;
  }

  #checkStart(start: LogHead, dropped: DroppedEntries | null): Bad | null {
    if (start.size > 0 && dropped === null) {
      const proves = `entries before ${start.size + 1} are missing, and no entry says that the agent dropped them: somebody else removed them`;
      return { segment: this.#firstSegment, line: null, proves };
    }
    const ends = new Map(this.#ends).set(start.size, start.hash);
    const wrong = this.#claims.find(
      ({ claim: { head } }) => head.size >= start.size && ends.get(head.size) !== head.hash,
    );
    if (wrong === undefined) return null;
    const { segment, line, claim } = wrong;
    const proves = `expected entry ${claim.head.size} with the hash that this line states, got another: what stood before it was replaced`;
    return { segment, line, proves };
  }
}

function parseLine(
  text: string,
  segment: string,
): { entry: AuditEntry; claim: DroppedEntries | null } | null {
  try {
    const entry = parseAuditEntry(parseJson(text, segment, "AUDIT_UNAVAILABLE"));
    const { event, detail } = entry.record;
    return { entry, claim: event === "log.dropped" ? parseDroppedEntries(detail) : null };
  } catch (thrown) {
    if (thrown instanceof SondeError) return null;
    throw thrown;
  }
}
