import { appendLeaf, type Frontier, mergeLeaf, rootOf } from "../log/merkle.ts";

/** The tree of a log that is read, with the root of every size that it had. */
export type GrowingTree = {
  append(leaf: Uint8Array): void;
  /** The root of its first `size` leaves; null when it has fewer. */
  rootAt(size: number): Buffer | null;
};

const BLOCK = 4_096;
const HASH_BYTES = 32;

/** Keeps the 32 bytes of every leaf: a later entry may name a tree of any size. */
export function createGrowingTree(): GrowingTree {
  const blocks: { start: Frontier; leaves: Buffer }[] = [];
  const hashes: Buffer[] = [];
  let size = 0;

  let leaves = Buffer.alloc(0);
  function openBlock(): void {
    leaves = Buffer.alloc(BLOCK * HASH_BYTES);
    blocks.push({ start: { size, hashes: [...hashes] }, leaves });
  }

  return {
    append(leaf) {
      const place = size % BLOCK;
      if (place === 0) openBlock();
      const kept = leaves.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES);
      kept.set(leaf);
      mergeLeaf(hashes, size, kept);
      size += 1;
    },
    rootAt(wanted) {
      if (wanted === size) return rootOf({ size, hashes });
      const block = blocks[Math.floor(wanted / BLOCK)];
      if (wanted > size || block === undefined) return null;
      let past = block.start;
      for (let from = 0; past.size < wanted; from += HASH_BYTES) {
        past = appendLeaf(past, block.leaves.subarray(from, from + HASH_BYTES));
      }
      return rootOf(past);
    },
  };
}
