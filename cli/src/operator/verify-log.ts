import { type ChainEntry, type ChainPage, MAX_AUDIT_PAGE } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { LogHead } from "@sonde/schemas/wire";
import { EMPTY_HEAD, verifyChain } from "@sonde/trust/chain";

/**
 * Verifies the whole chain of a log, as far as it went at the first look: each look may add an
 * entry of its own.
 *
 * @param read gives entries after a sequence number, and the present head
 * @param onEntries is called with each page after it was verified
 * @returns the head of what was verified
 * @throws SondeError AUDIT_UNAVAILABLE naming the first entry that does not follow, and when the
 *   entries do not end with the head
 */
export async function verifyLog<Entry extends ChainEntry>(
  read: (
    afterSeq: number,
    limit: number,
  ) => Promise<Omit<ChainPage, "entries"> & { entries: Entry[] }>,
  onEntries: (entries: Entry[], end: LogHead) => void,
): Promise<LogHead> {
  const { head: end } = await read(0, 1);
  let head = EMPTY_HEAD;
  while (head.size < end.size) {
    const { entries } = await read(head.size, Math.min(MAX_AUDIT_PAGE, end.size - head.size));
    if (entries.length === 0) throw misfit(end, head);
    head = verifyChain(entries, head);
    onEntries(entries, end);
  }
  if (head.size !== end.size || head.hash !== end.hash) throw misfit(end, head);
  return head;
}

function misfit(end: LogHead, head: LogHead): SondeError {
  return new SondeError(
    "AUDIT_UNAVAILABLE",
    `expected the log to end with its head, entry ${end.size} ${end.hash}, got entry ${head.size} ${head.hash}`,
  );
}
