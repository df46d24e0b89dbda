import type { DroppedEntries } from "@sonde/schemas/audit";
import type { LogHead } from "@sonde/schemas/wire";
import { type Bad, describeDropped, verifySegments } from "@sonde/trust/segments";
import { type Attested, readAttested } from "./read-attested.ts";

/** What can be said of an agent's log by what is on its host. */
export type JudgedAudit = {
  whole: boolean;
  entries: number;
  first: number;
  head: LogHead;
  dropped: DroppedEntries | null;
  bad: Bad | null;
  tornBytes: number;
  attested: Attested;
  /** Entries that nothing outside of this host attests. */
  unattested: number;
};

/** Verifies every entry in `folder`, and compares the log with the hub's word on it. */
export function judgeAudit(folder: string): JudgedAudit {
  const attested = readAttested(folder);
  const confirmed = "head" in attested ? attested.head : null;
  const verdict = verifySegments(folder, confirmed === null ? [] : [confirmed.size]);
  const { first, head, dropped, tornBytes, hashes } = verdict;
  const bad = verdict.bad ?? (confirmed && contradict(confirmed, first, head, hashes));
  const covered = confirmed === null ? first - 1 : Math.max(first - 1, confirmed.size);
  return {
    ...{ whole: bad === null, entries: head.size + 1 - first, first, head, dropped, bad },
    ...{ tornBytes, attested, unattested: Math.max(0, head.size - covered) },
  };
}

/** @returns what it proves that the log is not the one that the hub saw, or null */
function contradict(
  confirmed: LogHead,
  first: number,
  head: LogHead,
  hashes: ReadonlyMap<number, string>,
): Bad | null {
  const at = { segment: "the end of the log", line: null };
  if (confirmed.size > head.size) {
    return {
      ...at,
      proves: `the hub has seen entry ${confirmed.size}: newer entries were removed, or the log is an older copy`,
    };
  }
  if (confirmed.size < first || hashes.get(confirmed.size) === confirmed.hash) return null;
  return {
    ...at,
    proves: `the hub has seen another entry ${confirmed.size}, with the hash ${confirmed.hash}: this is not the log that it saw`,
  };
}

export function describeJudged(judged: JudgedAudit): string {
  const { first, head, entries, dropped, bad, tornBytes } = judged;
  const lines = dropped === null ? [] : [describeDropped(dropped)];
  if (bad !== null) {
    const place = bad.line === null ? bad.segment : `${bad.segment} line ${bad.line}`;
    lines.push(`BROKEN at ${place}: ${bad.proves}.`);
  }
  lines.push(
    entries === 0
      ? "The log has no entry."
      : `Entries ${first} to ${head.size} follow one another. The last one's hash is ${head.hash}.`,
  );
  if (tornBytes > 0) {
    lines.push(
      `${tornBytes} bytes after it are no whole entry: it is being written, or a crash cut it.`,
    );
  }
  if (bad === null) lines.push(describeAttested(judged));
  return lines.join("\n");
}

function describeAttested({ attested, unattested }: JudgedAudit): string {
  if ("none" in attested) {
    return `Unattested tail of ${unattested}: the chain is whole, and nothing outside of this host attests its end (${attested.none}).`;
  }
  const { head, at, keyId } = attested;
  const word = `The hub confirmed the entries up to ${head.size} at ${at}, with the key ${keyId}.`;
  return unattested === 0
    ? word
    : `${word}\nUnattested tail of ${unattested}: nothing outside of this host attests the entries after that.`;
}
