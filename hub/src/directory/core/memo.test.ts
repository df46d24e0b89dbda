import { expect, test } from "vitest";
import type { Change, KnownAgent } from "./facts.ts";
import { Memo } from "./memo.ts";

const ID = "8f14e45f-ceea-467f-a830-0fd2b1a2c3d4";

function buildAgent(name: string): KnownAgent {
  return {
    ...{ id: ID, name, publicKey: "key", enrolledAt: "2026-01-01T00:00:00.000Z" },
    ...{
      tags: [],
      certificateExpiresAt: null,
      clockSkewMs: null,
      refusedHubAt: null,
      holds: [],
      attestation: { state: "not-attested", expected: 0, review: 0 },
      lastSeenAt: null,
      hello: null,
      packs: [],
      desired: { revision: 0, packs: [] },
    },
    link: { hub: null, epoch: 0 },
  };
}

/** Opens a memo whose reads the test answers one by one. */
function openMemo() {
  const reads: { ids: string[] | null; answer: (agents: KnownAgent[] | Error) => void }[] = [];
  const told: Change[] = [];
  const memo = new Memo({
    readAgents: (ids) =>
      new Promise((done, fail) => {
        const answer = (given: KnownAgent[] | Error) =>
          given instanceof Error ? fail(given) : done(given);
        reads.push({ ids, answer });
      }),
    readPacks: () => Promise.resolve([]),
    readPins: () => Promise.resolve([]),
    readPolicies: () => Promise.resolve([]),
    readHolders: () => Promise.resolve([]),
  });
  memo.onChange((change) => told.push(change));
  return { memo, reads, told };
}

test("a read from before a change never overwrites a read from after it", async () => {
  const { memo, reads, told } = openMemo();
  const reload = memo.reload();
  await expect.poll(() => reads.length).toBe(1);
  // The change arrives during a full read, so it is read afterwards.
  const refresh = memo.refresh([{ kind: "agent", id: ID }]);
  reads[0]?.answer([buildAgent("before")]);
  await reload;
  await expect.poll(() => reads.length).toBe(2);
  expect(reads.map(({ ids }) => ids)).toEqual([null, [ID]]);
  reads[1]?.answer([buildAgent("after")]);
  await refresh;
  expect(memo.agentById(ID)?.name).toBe("after");
  expect(told).toEqual([
    { kind: "agent", id: ID },
    { kind: "agent", id: ID },
  ]);
});

test("a failed read is repeated with the next change", async () => {
  const { memo, reads } = openMemo();
  const failing = memo.reload();
  await expect.poll(() => reads.length).toBe(1);
  reads[0]?.answer(new Error("the source is away"));
  await expect(failing).rejects.toThrow("the source is away");
  const again = memo.refresh([{ kind: "agent", id: ID }]);
  await expect.poll(() => reads.length).toBe(2);
  expect(reads[1]?.ids).toBe(null);
  reads[1]?.answer([buildAgent("web-1")]);
  await again;
  expect(memo.agent("web-1").id).toBe(ID);
});

test("a revoked key is announced while facts cannot be read", async () => {
  const { memo, reads, told } = openMemo();
  const stuck = memo.reload();
  await expect.poll(() => reads.length).toBe(1);
  await memo.refresh([{ kind: "api-key", id: ID }]);
  expect(told).toEqual([{ kind: "api-key", id: ID }]);
  reads[0]?.answer([]);
  await stuck;
});
