import {
  type AuditEntry,
  type ChainEntry,
  type DroppedSegments,
  isDropped,
  MAX_KEPT_RANGES,
  parseDroppedSegments,
} from "@sonde/schemas/audit";
import { toSondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { GrowingTree } from "./growing-tree.ts";
import { lastOf, segmentOf } from "./log-segments.ts";

/** Entries without content, and the entry `log.dropped` that speaks for all of them. */
export type DroppedVerdict = { entries: number; to: number; until: string; saidBy: number };

/** An entry of which it is known that it is not as it was written, and what shows it. */
export type BadEntry = { seq: number; proves: string };

/** Checks whether content that is missing was dropped by the hub, as its log says. */
export type DroppedCheck = {
  /** Takes the next entry of the chain. @returns what shows that content was removed otherwise */
  see(entry: ChainEntry): BadEntry | null;
  /** @returns null for a log that has all content */
  end(): DroppedVerdict | BadEntry | null;
};

type Run = { from: number; to: number };

/** A hub keeps everything for so long, whatever its configuration says. */
const LEAST_KEPT_MS = 24 * 3_600_000;
/** No record `log.dropped` speaks for more runs than it can name what lies between. */
const MAX_RUNS = MAX_KEPT_RANGES + 1;

/**
 * Content goes by whole segments, and only what the newest `log.dropped` names. So whoever removes the
 * content of some entries has to leave a record that says so of thousands. Of a segment, only the end
 * may be missing: a reader that was in the middle of it has the rest.
 *
 * @param tree has every entry that was taken before
 */
export function createDroppedCheck(tree: Pick<GrowingTree, "rootAt">): DroppedCheck {
  const runs: Run[] = [];
  /** The hash of each segment's last entry, by its number. */
  const ends = new Map<number, Digest>();
  let claim: { seq: number; said: DroppedSegments } | null = null;
  let open: Run | null = null;

  function extend(seq: number): BadEntry | null {
    if (open !== null) {
      open.to = seq;
      return null;
    }
    // It may begin within a segment: one that went while it was read lacks its end only.
    open = { from: seq, to: seq };
    if (runs.push(open) <= MAX_RUNS) return null;
    return {
      seq,
      proves: `it has no content, as ${MAX_RUNS} runs of entries before it, and no entry log.dropped can name so many`,
    };
  }

  function close(): BadEntry | null {
    const ended = open;
    open = null;
    if (ended === null || ended.to === lastOf(segmentOf(ended.to))) return null;
    return cutWithin(ended.to);
  }

  return {
    see(entry) {
      const { seq, hash } = entry;
      if (seq === lastOf(segmentOf(seq))) ends.set(seq, hash);
      if (isDropped(entry)) return extend(seq);
      const bad = close();
      if (bad !== null || entry.record.event !== "log.dropped") return bad;
      const read = readClaim(entry, ends, tree);
      if ("proves" in read) return read;
      claim = { seq, said: read };
      return null;
    },
    end() {
      const bad = close();
      const [first] = runs;
      if (bad !== null || first === undefined) return bad;
      if (claim === null) return unspoken(first, first.from);
      const { seq, said } = claim;
      for (const run of runs) {
        if (run.to > said.head.size) return unspoken(run, Math.max(run.from, said.head.size + 1));
        const kept = said.kept.find(({ from, to }) => from <= run.to && to >= run.from);
        if (kept !== undefined) return unspoken(run, Math.max(run.from, kept.from));
      }
      const entries = runs.reduce((sum, { from, to }) => sum + to - from + 1, 0);
      return { entries, to: runs.at(-1)?.to ?? 0, until: said.until, saidBy: seq };
    },
  };
}

/** What a record `log.dropped` says, when it can be true of this log. */
function readClaim(
  { seq, record }: AuditEntry,
  ends: ReadonlyMap<number, Digest>,
  tree: Pick<GrowingTree, "rootAt">,
): DroppedSegments | BadEntry {
  const bad = (why: string): BadEntry => ({
    seq,
    proves: `it says that entries were dropped, and ${why}`,
  });
  let said: DroppedSegments;
  try {
    said = parseDroppedSegments(record.detail);
  } catch (thrown) {
    return bad(`not which: ${toSondeError(thrown).message}`);
  }
  const { head, until, checkpoint } = said;
  if (ends.get(head.size) !== head.hash) {
    return bad(`entry ${head.size}, which it names as the last one, is not the end of a segment`);
  }
  if (checkpoint.size < head.size || checkpoint.size >= seq) {
    return bad(`the checkpoint of ${checkpoint.size} entries that it names does not have them`);
  }
  if (tree.rootAt(checkpoint.size)?.equals(Buffer.from(checkpoint.root, "base64")) !== true) {
    return bad(`the first ${checkpoint.size} entries have another root than the one it names`);
  }
  if (Date.parse(record.at) - Date.parse(until) >= LEAST_KEPT_MS) return said;
  return bad("some of them were less than a day old");
}

function cutWithin(seq: number): BadEntry {
  return {
    seq,
    proves:
      "content is missing from a part of a segment only, and a hub drops whole ones: it was removed",
  };
}

function unspoken({ to }: Run, from: number): BadEntry {
  return {
    seq: from,
    proves: `the entries ${from} to ${to} have no content, and no entry log.dropped speaks for them: it was removed`,
  };
}
