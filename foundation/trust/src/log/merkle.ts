import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type LogPlace } from "@sonde/schemas/trust";

// Merkle tree hashing of RFC 9162, section 2.1, with SHA-256.

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const HASH_BYTES = 32;

/** Hash of a tree without leaves. */
const EMPTY_ROOT = createHash("sha256").digest();

/** Hash of one entry's bytes as a leaf (section 2.1.1). */
export function hashLeaf(entry: Uint8Array): Buffer {
  return createHash("sha256").update(LEAF).update(entry).digest();
}

/** Hash of the node above two (section 2.1.1). */
export function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash("sha256").update(NODE).update(left).update(right).digest();
}

/**
 * A tree reduced to the roots of its perfect subtrees, largest (leftmost) first:
 * all that appending needs, at most 53 hashes. Whoever keeps one and appends the
 * entries that follow arrives at the root of every larger tree that contains
 * this one, and at no other.
 */
export type Frontier = { readonly size: number; readonly hashes: readonly Buffer[] };

export const EMPTY_FRONTIER: Frontier = { size: 0, hashes: [] };

/** The frontier with one more leaf. */
export function appendLeaf(frontier: Frontier, leaf: Buffer): Frontier {
  return growTree(frontier, leaf).frontier;
}

/**
 * Appends a leaf and says which nodes are final from now on: the leaf itself,
 * then each perfect subtree it completes, by level.
 */
export function growTree(
  { size, hashes }: Frontier,
  leaf: Buffer,
): { frontier: Frontier; completed: Buffer[] } {
  const next = [...hashes];
  const completed = [leaf];
  let node = leaf;
  // Each trailing one bit of the old size is a perfect subtree that the new leaf completes.
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
    const left = next.pop();
    if (left === undefined) throw new RangeError("a frontier has a hash for each bit of its size");
    node = hashNode(left, node);
    completed.push(node);
  }
  next.push(node);
  return { frontier: { size: size + 1, hashes: next }, completed };
}

/** The tree's root hash. */
export function rootOf({ hashes }: Frontier): Buffer {
  if (hashes.length === 0) return EMPTY_ROOT;
  return hashes.reduceRight((right, left) => hashNode(left, right));
}

/** A frontier as it is stored and sent. */
export function encodeFrontier({ size, hashes }: Frontier): LogPlace {
  return { size, frontier: Buffer.concat(hashes).toString("base64") };
}

/** @throws SondeError REGISTRY_LOG_INCONSISTENT when it is no frontier of that size */
export function decodeFrontier({ size, frontier }: LogPlace): Frontier {
  const bytes = Buffer.from(frontier, "base64");
  const count = frontierLength(size);
  if (bytes.length !== count * HASH_BYTES) {
    throw new SondeError(
      "REGISTRY_LOG_INCONSISTENT",
      `expected ${count} hashes for a log of ${size} entries, got ${bytes.length} bytes`,
    );
  }
  const hashes = Array.from({ length: count }, (_, place) =>
    bytes.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES),
  );
  return { size, hashes };
}

/** How many hashes a frontier of that size has: one for each bit that is set. */
function frontierLength(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

/** Coordinates of a perfect subtree: it covers the leaves `[index << level, (index + 1) << level)`. */
export type NodeId = { readonly level: number; readonly index: number };

/**
 * The perfect subtrees whose hashes, put together, make the hash of the leaves
 * `[start, end)`, left to right. `start` must be a multiple of the smallest
 * power of two that is no less than `end - start`, as every subtree of a tree is.
 */
export function coverRange(start: number, end: number): NodeId[] {
  const nodes: NodeId[] = [];
  for (let from = start; from < end; ) {
    let level = 0;
    while (from % 2 ** (level + 1) === 0 && from + 2 ** (level + 1) <= end) level += 1;
    nodes.push({ level, index: from / 2 ** level });
    from += 2 ** level;
  }
  return nodes;
}

/** The sibling subtrees on the way from leaf `index` to the root, leaf's end first (section 2.1.3.1). */
export function inclusionPath(index: number, size: number): { start: number; end: number }[] {
  const path: { start: number; end: number }[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.toReversed();
}

/**
 * The root that an inclusion proof leads to (section 2.1.3.2). The leaf is in
 * the tree if, and only if, that is the tree's root.
 *
 * @returns null when the proof is not as long as this place in this tree asks
 */
export function rootFromInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
): Buffer | null {
  const path = inclusionPath(index, size);
  if (index >= size || path.length !== proof.length) return null;
  return proof.reduce(
    (node, sibling, step) =>
      (path[step]?.start ?? 0) > index ? hashNode(node, sibling) : hashNode(sibling, node),
    leaf,
  );
}

/** Largest power of two smaller than `count`, for a count of two or more. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}
