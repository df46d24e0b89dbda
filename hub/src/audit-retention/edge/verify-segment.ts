import { SondeError } from "@sonde/schemas/errors";
import { EMPTY_HEAD, explainBreak, headAfter } from "@sonde/trust/chain";
import { firstOf, lastOf } from "@sonde/trust/hub-log";
import type { AuditStore, Segment, SegmentHashes } from "../../audit/index.ts";

/** What is in memory at a time. */
const TOGETHER = { entries: 500, bytes: 1024 * 1024 };

/**
 * Reads the hashes of a segment, once every entry is what was chained and the next one follows: content
 * that was changed is evidence, and stays.
 *
 * @throws SondeError AUDIT_INCONSISTENT naming the first entry that is not as it was written
 */
export async function verifySegment(
  store: Pick<AuditStore, "readHash" | "readUpTo" | "readChain">,
  { index }: Segment,
): Promise<SegmentHashes> {
  const [first, last] = [firstOf(index), lastOf(index)];
  const before = first === 1 ? EMPTY_HEAD.hash : await store.readHash(first - 1);
  if (before === null) throw misfit(`expected entry ${first - 1}, got none`);
  const hashes = [before];
  let head = { size: first - 1, hash: before };
  while (head.size < last) {
    const entries = await store.readUpTo(head.size, { ...TOGETHER, until: last });
    if (entries.length === 0) throw misfit(`expected entry ${head.size + 1}, got none`);
    for (const entry of entries) {
      const why = explainBreak(head, entry);
      if (why !== null) throw misfit(why);
      head = headAfter(entry);
      hashes.push(entry.hash);
    }
  }
  const [next] = (await store.readChain(last, 1)).entries;
  if (next?.previous === head.hash) return hashes;
  throw misfit(`expected entry ${last + 1} to follow the one before it`);
}

function misfit(why: string): SondeError {
  return new SondeError("AUDIT_INCONSISTENT", `no content is dropped: ${why}`);
}
