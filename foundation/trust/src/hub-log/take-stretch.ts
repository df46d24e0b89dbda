import { SondeError } from "@sonde/schemas/errors";
import type { LogHead } from "@sonde/schemas/wire";
import { explainBreak } from "../chain/chain.ts";
import type { BadEntry, DroppedCheck } from "./check-dropped.ts";
import { HASH_BYTES, type Stretch } from "./check-stretch.ts";
import type { GrowingTree } from "./growing-tree.ts";

/** A tree that was stated, and what follows from another one in its place. */
export type Stated = { size: number; root: Buffer; contradict: () => void; confirm: () => void };

/** What is known of the log so far. */
type Followed = {
  verdict: { head: LogHead; bad: BadEntry | null };
  stated: ReadonlyMap<number, readonly Stated[]>;
  tree: GrowingTree;
  droppedCheck: DroppedCheck;
};

/**
 * @returns whether all of it is as it was written, and follows what came before
 * @throws SondeError for a line that cannot be read, when all before it is so
 */
export function takeStretch(
  { hashes, leaves, seen, end }: Stretch,
  { verdict, stated, tree, droppedCheck }: Followed,
): boolean {
  const { head } = verdict;
  let bad: BadEntry | null = null;
  let from = 0;
  for (; from < hashes.length; from += HASH_BYTES) {
    const entry = seen.get(from / HASH_BYTES);
    // Of the others in the stretch it is known already that each follows the one before it.
    const why = entry === undefined || from > 0 ? null : explainBreak(head, entry);
    if (why !== null) bad = { seq: head.size + 1, proves: why };
    else if (entry !== undefined) bad = droppedCheck.see(entry);
    if (bad !== null) break;
    tree.append(leaves.subarray(from, from + HASH_BYTES));
    const size = head.size + from / HASH_BYTES + 1;
    for (const { root, confirm, contradict } of stated.get(size) ?? []) {
      if (tree.rootAt(size)?.equals(root) === true) confirm();
      else contradict();
    }
  }
  if (from > 0) {
    const hash = Buffer.from(hashes.subarray(from - HASH_BYTES, from)).toString("hex");
    verdict.head = { size: head.size + from / HASH_BYTES, hash: `sha256:${hash}` };
  }
  if (end.is === "broken") bad ??= { seq: verdict.head.size + 1, proves: end.why };
  verdict.bad ??= bad;
  if (bad !== null) return false;
  if (end.is === "unreadable") throw new SondeError(end.code, end.why);
  return true;
}
