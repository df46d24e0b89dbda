import { expect, test } from "vitest";
import { appendLeaf, EMPTY_FRONTIER, hashLeaf, rootOf } from "../log/merkle.ts";
import { createGrowingTree } from "./growing-tree.ts";

test("a tree has the root of every size that it had, and of no other", () => {
  const tree = createGrowingTree();
  const roots = [rootOf(EMPTY_FRONTIER)];
  let frontier = EMPTY_FRONTIER;
  for (let size = 1; size <= 8_200; size++) {
    const leaf = hashLeaf(Buffer.from(String(size)));
    tree.append(leaf);
    frontier = appendLeaf(frontier, leaf);
    roots.push(rootOf(frontier));
  }
  for (const size of [0, 1, 2, 700, 4_095, 4_096, 4_097, 8_191, 8_192, 8_193, 8_199, 8_200]) {
    expect([size, tree.rootAt(size)]).toEqual([size, roots[size]]);
  }
  expect([tree.rootAt(8_201), tree.rootAt(20_000)]).toEqual([null, null]);
});
