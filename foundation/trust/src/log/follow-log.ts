import type { LogHead } from "@sonde/schemas/wire";
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts";
import { inconsistent } from "./inconsistent.ts";
import { type Frontier, appendLeaf, hashLeaf, rootOf } from "./merkle.ts";
import type { NoteKey } from "./signed-note.ts";
import { type ReadTile, TILE_WIDTH, decodeEntries, tileAt } from "./tiles.ts";

const HOUR_MS = 3_600_000;
/** How old a head may be by the reader's clock. An attacker cannot freeze a log for longer. */
const HEAD_HOURS = 24;

/** Returns the head of the tree with that frontier, in the form of reports. */
export function headOf(frontier: Frontier): LogHead {
  return { size: frontier.size, hash: `sha256:${rootOf(frontier).toString("hex")}` };
}

export type FollowLogRequest = {
  key: NoteKey;
  /** The entries seen before; `EMPTY_FRONTIER` the first time. */
  from: Frontier;
  readCheckpoint(): Promise<string>;
  readTile: ReadTile;
  /** Heads that others saw. The log must contain each of them. None is below `from`. */
  seen: readonly LogHead[];
  now: Date;
  /** Replaces the usual limit of 24 hours for the head's age. */
  maxHeadAgeHours?: number | undefined;
  /**
   * Called with each entry since `from`, in order, and the head of the tree that ends
   * with it. The entries are provisional until the call resolves.
   */
  onEntry(entry: Uint8Array, index: number, head: LogHead): void | Promise<void>;
};

/**
 * Follows a log from `from` to its present head. Fetches every entry in between and
 * accepts the head only if exactly these entries lead to it. So no seen entry can be
 * changed or removed, no new entry can be hidden, and two readers of different histories
 * get different roots. No consistency proof is requested, so the log cannot withhold one.
 *
 * @returns the new place, and the head that was reached
 * @throws SondeError REGISTRY_LOG_INCONSISTENT for a head that is not signed, too old,
 *   smaller than what was seen, or that the entries do not lead to
 */
export async function followLog(
  request: FollowLogRequest,
): Promise<{ frontier: Frontier; checkpoint: Checkpoint }> {
  const { key, from, seen, now, maxHeadAgeHours = HEAD_HOURS } = request;
  const checkpoint = openCheckpoint(await request.readCheckpoint(), key);
  const ageHours = (now.getTime() - checkpoint.at.getTime()) / HOUR_MS;
  if (ageHours > maxHeadAgeHours || ageHours < -HEAD_HOURS) {
    throw inconsistent(
      `expected a head signed within ${maxHeadAgeHours} hours of ${now.toISOString()}, got ${checkpoint.at.toISOString()}`,
    );
  }
  for (const { size } of [from, ...seen]) {
    if (checkpoint.size < size) {
      throw inconsistent(
        `expected at least the ${size} entries seen before, got ${checkpoint.size}`,
      );
    }
  }
  const frontier = await appendEntries(request, checkpoint.size);
  if (!rootOf(frontier).equals(checkpoint.root)) {
    throw inconsistent(
      `expected the root of the ${checkpoint.size} entries it serves, got another`,
    );
  }
  return { frontier, checkpoint };
}

async function appendEntries(request: FollowLogRequest, size: number): Promise<Frontier> {
  const meet = (frontier: Frontier): Frontier => {
    for (const { size: seenSize, hash } of request.seen) {
      if (seenSize !== frontier.size || hash === headOf(frontier).hash) continue;
      throw inconsistent(`expected the history that others saw, got another by entry ${seenSize}`);
    }
    return frontier;
  };
  let frontier = meet(request.from);
  while (frontier.size < size) {
    const bundle = Math.floor(frontier.size / TILE_WIDTH);
    const id = tileAt(null, bundle, size);
    if (id === null) throw new RangeError("a log that has entries has a bundle for each");
    const entries = decodeEntries(await request.readTile(id), id.width);
    for (const entry of entries.slice(frontier.size - bundle * TILE_WIDTH)) {
      const index = frontier.size;
      frontier = meet(appendLeaf(frontier, hashLeaf(entry)));
      await request.onEntry(entry, index, headOf(frontier));
    }
  }
  return frontier;
}
