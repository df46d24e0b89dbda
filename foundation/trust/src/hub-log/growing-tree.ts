import { appendLeaf, EMPTY_FRONTIER, type Frontier, rootOf } from "../log/merkle.ts";

/** The tree of a log that is read, with the root of every size that it had. */
export type GrowingTree = {
  append(leaf: Buffer): void;
  /** The root of its first `size` leaves; null when it has fewer. */
  rootAt(size: number): Buffer | null;
};

const BLOCK = 4_096;
const HASH_BYTES = 32;

/** Keeps the 32 bytes of every leaf: a later entry may name a tree of any size. */
export function createGrowingTree(): GrowingTree {
  const blocks: { start: Frontier; leaves: Buffer }[] = [];
  let frontier = EMPTY_FRONTIER;

  function openBlock(): Buffer {
    const leaves = Buffer.alloc(BLOCK * HASH_BYTES);
    blocks.push({ start: frontier, leaves });
    return leaves;
  }

  return {
    append(leaf) {
      const place = frontier.size % BLOCK;
      const leaves = place === 0 ? openBlock() : blocks.at(-1)?.leaves;
      leaves?.set(leaf, place * HASH_BYTES);
      frontier = appendLeaf(frontier, leaf);
    },
    rootAt(size) {
      if (size === frontier.size) return rootOf(frontier);
      const block = blocks[Math.floor(size / BLOCK)];
      if (size > frontier.size || block === undefined) return null;
      let past = block.start;
      for (let from = 0; past.size < size; from += HASH_BYTES) {
        past = appendLeaf(past, block.leaves.subarray(from, from + HASH_BYTES));
      }
      return rootOf(past);
    },
  };
}
