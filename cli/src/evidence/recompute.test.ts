import type { ResultBody } from "@sonde/schemas/wire";
import { buildResult } from "@sonde/schemas/testing";
import { archiveDigest } from "@sonde/trust/archive";
import type { SignedRun } from "@sonde/trust/evidence";
import { buildSampleArchive } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { recompute } from "./recompute.ts";

// The packs run in a real isolate, in a process of their own.

const RUN = `({ reads, params, now }) => ({
  text: reads.load.text + " " + params.unit, at: now,
})`;
const packOf = (run: string) =>
  buildSampleArchive({
    code: `var pack = { default: { run: (_probe, input) => (${run})(input) } };\n`,
  });
const judge = async (
  run: string,
  data: Record<string, unknown>,
  reads: object = { load: { text: "0.1" } },
) => {
  const archive = packOf(run);
  const signed: SignedRun = {
    ...{ packDigest: archiveDigest(archive), probe: "acme/hello.greet" },
    input: {
      params: { unit: "runs" },
      reads: reads as never,
      now: Date.parse("2026-01-02T03:04:05Z"),
    },
  };
  return await recompute({ ...VERDICT, run: signed, result: resultOf(data) }, archive);
};
const resultOf = (data: Record<string, unknown>): ResultBody => ({
  ...buildResult(VERDICT.callId),
  data,
});
const VERDICT = {
  ...{ callId: "00000000-0000-4000-8000-000000000001", sound: true, findings: [] },
  ...{ result: null, run: null },
};

test("the pack gives the same answer again, at the time of the call", async () => {
  // In another order, since JSON has none.
  const at = Date.parse("2026-01-02T03:04:05Z");
  expect(await judge(RUN, { at, text: "0.1 runs" })).toMatchObject({
    ...{ about: "recomputed", state: "proven", by: "this program" },
    says: "with these reads and parameters the pack gives this answer",
  });
});

test("another answer than the one that was signed is noticed", async () => {
  const found = await judge("() => ({ disks: [1, 2] })", { disks: [1, 3] });
  expect(found).toMatchObject({ state: "broken", says: expect.stringContaining("another answer") });
  expect(await judge("() => ({ disks: 1 })", { disks: 1, more: 1 })).toMatchObject({
    state: "broken",
  });
  const failing = await judge("() => { throw new Error('no such read'); }", { disks: 1 });
  expect(failing).toMatchObject({
    state: "broken",
    says: expect.stringMatching(/gives no answer: PACK_FAILED no such read/),
  });
});

test("what the host scrubbed of an answer is scrubbed here too, by the rules that are known", async () => {
  const run = `() => ({ line: "token=" + "abcdefgh1" })`;
  expect(await judge(run, { line: "token=[redacted:token#3]" })).toMatchObject({
    state: "proven",
    says: expect.stringMatching(/, scrubbed$/),
  });
  expect(await judge(run, { line: "token=abcdefgh2" })).toMatchObject({ state: "broken" });
  expect(await judge(`() => ({ line: "C-77" })`, { line: "[redacted:customer#1]" })).toMatchObject({
    state: "missing",
    says: "the host replaced values by rules of its own (customer)",
  });
});

test("without the order or the reads there is nothing to run", async () => {
  const found = await recompute({ ...VERDICT, result: resultOf({}) }, packOf(RUN));
  expect(found).toMatchObject({ about: "recomputed", state: "missing" });
});

test("only the archive of the call is run, and a pack that does not end is no answer", async () => {
  const run: SignedRun = {
    ...{ packDigest: `sha256:${"a".repeat(64)}`, probe: "acme/hello.greet" },
    input: { params: {}, reads: {}, now: 0 },
  };
  const verdict = { ...VERDICT, run, result: resultOf({}) };
  await expect(recompute(verdict, packOf(RUN))).rejects.toMatchObject({
    code: "DIGEST_MISMATCH",
    message: expect.stringContaining(run.packDigest),
  });
  const grow = "() => { const held = []; for (;;) held.push(new Array(1e6).fill(held.length)); }";
  await expect(judge(grow, {})).rejects.toMatchObject({ code: "PACK_CRASHED" });
});
