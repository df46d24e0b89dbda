import { proveConsistency, rootOf } from "@sonde/trust/log";
import { createSampleLog } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { judgeGrowth, NOTHING_SEEN } from "./judge-growth.ts";

const grow = (log = createSampleLog(), to = 0, word = "entry") => {
  while (log.frontier.size < to) log.append(Buffer.from(`${word} ${log.frontier.size}`));
  return log;
};
const treeOf = (log: ReturnType<typeof grow>) => ({
  ...{ size: log.frontier.size, root: rootOf(log.frontier) },
});
const seen = treeOf(grow(createSampleLog(), 40));
const grown = grow(createSampleLog(), 100);
const prove = (from: number, log = grown) =>
  proveConsistency(from, log.frontier.size, (id) => log.readTile(id));

test("what begins with all that was seen is grown, and so is the same again and the first one", async () => {
  const proof = await prove(40);
  expect(judgeGrowth({ from: 40, proof }, treeOf(grown), seen)).toBe("grown");
  expect(judgeGrowth({ from: 40, proof: [] }, seen, seen)).toBe("grown");
  expect(judgeGrowth({ from: 0, proof: [] }, seen, NOTHING_SEEN)).toBe("grown");
  expect(judgeGrowth({ from: 0, proof: [] }, NOTHING_SEEN, NOTHING_SEEN)).toBe("grown");
});

test("a request that goes on from another size is told so", async () => {
  const proof = await prove(30);
  expect(judgeGrowth({ from: 30, proof }, treeOf(grown), seen)).toBe("other-size");
  expect(judgeGrowth({ from: 0, proof: [] }, treeOf(grown), seen)).toBe("other-size");
  expect(judgeGrowth({ from: 40, proof: [] }, treeOf(grown), NOTHING_SEEN)).toBe("other-size");
});

test("another log of the same size, also of none, is told apart", () => {
  const other = treeOf(grow(createSampleLog(), 40, "other"));
  expect(judgeGrowth({ from: 40, proof: [] }, other, seen)).toBe("other-root");
  const empty = { size: 0, root: Buffer.alloc(32, 1) };
  expect(judgeGrowth({ from: 0, proof: [] }, empty, NOTHING_SEEN)).toBe("other-root");
});

test("without a proof from what was seen nothing is grown", async () => {
  const proof = await prove(40);
  const fork = grow(grow(createSampleLog(), 39), 100, "forked");
  for (const bad of [[], proof.slice(1), [...proof, Buffer.alloc(32)], proof.toReversed()]) {
    expect(judgeGrowth({ from: 40, proof: bad }, treeOf(grown), seen)).toBe("unproven");
  }
  expect(judgeGrowth({ from: 40, proof: await prove(40, fork) }, treeOf(fork), seen)).toBe(
    "unproven",
  );
  expect(judgeGrowth({ from: 40, proof: [Buffer.alloc(32)] }, seen, seen)).toBe("unproven");
  expect(judgeGrowth({ from: 0, proof: [Buffer.alloc(32)] }, seen, NOTHING_SEEN)).toBe("unproven");
});
