import { EMPTY_FRONTIER, isConsistent, rootOf, type Tree } from "@sonde/trust/log";
import type { AddCheckpoint } from "./add-checkpoint.ts";

/** What a witness has seen of a log of which it has cosigned nothing. */
export const NOTHING_SEEN: Tree = { size: 0, root: rootOf(EMPTY_FRONTIER) };

/**
 * `other-size`: the request goes on from another size than the witness has seen. `other-root`: there are
 * two logs of one size. `unproven`: the proof does not lead from what was seen to what is stated.
 */
export type Growth = "grown" | "other-size" | "other-root" | "unproven";

/**
 * Decides whether a witness may cosign: only what begins with all that it has cosigned before.
 *
 * @param stated by a checkpoint that the log's key signed
 * @param seen what this witness cosigned last
 */
export function judgeGrowth(
  { from, proof }: Pick<AddCheckpoint, "from" | "proof">,
  stated: Tree,
  seen: Tree,
): Growth {
  if (from !== seen.size) return "other-size";
  if (stated.size === seen.size && !stated.root.equals(seen.root)) return "other-root";
  return isConsistent(seen, stated, proof) ? "grown" : "unproven";
}
