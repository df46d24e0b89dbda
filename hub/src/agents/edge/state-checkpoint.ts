import type { CheckpointBody } from "@sonde/schemas/wire";
import type { Checkpoints } from "../../audit/index.ts";

/** A checkpoint as an agent is told it. */
export type StatedCheckpoint = { size: number; body: CheckpointBody };

/**
 * States the newest checkpoint to an agent that saw a log of so many entries; null before the first
 * one.
 */
export type StateCheckpoint = (seen: number) => Promise<StatedCheckpoint | null>;

/** Most agents saw one of the last few checkpoints, and come at the same time after a restart. */
const MAX_KEPT = 256;

export function createStateCheckpoint(checkpoints: Checkpoints): StateCheckpoint {
  const kept = new Map<string, Promise<string[]>>();

  function prove(seen: number, size: number): Promise<string[]> {
    const name = `${seen} ${size}`;
    const known = kept.get(name);
    if (known !== undefined) return known;
    const [oldest] = kept.keys();
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    const proof = checkpoints
      .proveGrowth(seen, size)
      .then((hashes) => hashes.map((hash) => hash.toString("base64")));
    kept.set(name, proof);
    proof.catch(() => kept.delete(name));
    return proof;
  }

  return async (seen) => {
    const newest = await checkpoints.atLeast(seen);
    if (newest === null) return null;
    const { size, note } = newest;
    // The agent refuses a log that is shorter than what it saw, so there is nothing to prove.
    const growth = size <= seen ? [] : await prove(seen, size);
    return { size, body: { note, growth } };
  };
}
