import { randomUUID } from "node:crypto";
import { type Evidence, parseEvidence } from "@sonde/schemas/evidence";
import { beforeAll, expect, test } from "vitest";
import { buildEvidence, type EvidenceLies } from "../testing/build-evidence.ts";
import { EVIDENCE_FAULTS } from "../testing/evidence-faults.ts";
import { type EvidenceVerdict, verifyEvidence } from "./verify-evidence.ts";

let whole: Evidence;
beforeAll(async () => {
  whole = parseEvidence(await buildEvidence());
});

const listOf = ({ findings }: EvidenceVerdict) =>
  findings.map(({ about, state }) => `${about} ${state}`);
const wordsOf = ({ findings }: EvidenceVerdict, about: string) =>
  findings.flatMap((one) => (one.about === about ? [one.says] : [])).join(" / ");

test("each part of a whole file is proven, but who asked", () => {
  const verdict = verifyEvidence(whole);
  expect(listOf(verdict)).toEqual([
    ...["hub proven", "log proven", "witness proven", "witness stated"],
    ...["request stated", "policy proven"],
    ...[
      "answer proven",
      "answer stated",
      "order proven",
      "result proven",
      "reads proven",
      "attestation proven",
    ],
  ]);
  expect([verdict.sound, verdict.callId]).toEqual([true, whole.callId]);
  expect(verdict.result).toMatchObject({ callId: whole.callId, status: "ok" });
  expect(wordsOf(verdict, "log")).toContain("entries 3 and 5");
  expect(wordsOf(verdict, "witness")).toContain("it keeps the log of 6 entries");
  expect(wordsOf(verdict, "request")).toMatch(/key:1 may ask system\.memory of sha256:a+ on web-1/);
  expect(wordsOf(verdict, "answer")).toContain("and the question with it");
  expect(wordsOf(verdict, "order")).toContain("and the answer came in the same session");
  expect(wordsOf(verdict, "reads")).toContain("1 digests: file /proc/meminfo");
  expect(wordsOf(verdict, "attestation")).toContain("with the pack as it was verified");
});

// Attack 59, of one call.
test.each(EVIDENCE_FAULTS)("$name is noticed", ({ about, change }) => {
  const changed = structuredClone(whole);
  change(changed);
  const verdict = verifyEvidence(changed);
  expect([verdict.sound, listOf(verdict)]).toEqual([
    false,
    expect.arrayContaining([`${about} broken`]),
  ]);
});

// Whoever has the hub's keys writes its log as they like. What the agent signed stays.
test.each([
  ["call", { callId: randomUUID() }],
  ["probe", { probe: "system.disks" }],
  ["principal", { principal: "key:2" }],
  ["pack", { packDigest: `sha256:${"e".repeat(64)}` }],
  ["policy", { policyHash: `sha256:${"e".repeat(64)}` }],
])("an answer to another question is noticed: another %s", async (what, header) => {
  const verdict = verifyEvidence(await buildEvidence({ header }));
  expect([verdict.sound, listOf(verdict)]).toEqual([
    false,
    expect.arrayContaining(["log proven", "answer broken"]),
  ]);
  expect(wordsOf(verdict, "answer")).toContain(`answered for the ${what} `);
});

test.each<[string, EvidenceLies]>([
  ["call", { order: { callId: randomUUID() } }],
  ["probe", { order: { probe: "system.disks" } }],
  ["principal", { order: { principal: "key:2" } }],
  ["pack", { order: { packDigest: `sha256:${"e".repeat(64)}` } }],
  ["policy", { order: { policyHash: `sha256:${"e".repeat(64)}` } }],
  ["parameters", { orderParams: { all: true } }],
  ["session", { orderSession: "t".repeat(43) }],
])("an order of another call is noticed: another %s", async (what, lies) => {
  const verdict = verifyEvidence(await buildEvidence(lies));
  expect([verdict.sound, listOf(verdict)]).toEqual([
    false,
    expect.arrayContaining(["log proven", "answer proven", "order broken"]),
  ]);
  expect(wordsOf(verdict, "order")).toContain(what);
});

test("an agent of an earlier release signs the call's id only, and that is said", async () => {
  const header = { principal: null, probe: null, packDigest: null, policyHash: null };
  const verdict = verifyEvidence(await buildEvidence({ header }));
  expect(verdict.sound).toBe(true);
  expect(wordsOf(verdict, "answer")).toContain("and the call's id only");
});

test("reads that the hub recorded otherwise are noticed", async () => {
  const verdict = verifyEvidence(await buildEvidence({ recordedReads: [] }));
  expect([verdict.sound, listOf(verdict)]).toEqual([
    false,
    expect.arrayContaining(["result proven", "reads broken"]),
  ]);
});

test("a call that was denied has no answer", async () => {
  const verdict = verifyEvidence(await buildEvidence({ denied: true }));
  expect([verdict.sound, listOf(verdict)]).toEqual([false, expect.arrayContaining(["log broken"])]);
});

test("a witness that does not have the call yet is none", async () => {
  const verdict = verifyEvidence(await buildEvidence({ witnessed: 4 }));
  expect([verdict.sound, wordsOf(verdict, "witness")]).toEqual([
    false,
    expect.stringContaining("the call is not among them"),
  ]);
  expect(verifyEvidence(await buildEvidence({ witnessed: 5 })).sound).toBe(true);
});

test("what is left out is said", () => {
  const bare = {
    ...whole,
    policy: null,
    order: null,
    result: null,
    attestation: null,
    witnesses: [],
  };
  const verdict = verifyEvidence(bare);
  expect([verdict.sound, verdict.result]).toEqual([true, null]);
  expect(listOf(verdict).filter((line) => line.endsWith("missing"))).toEqual([
    ...["witness missing", "policy missing", "order missing", "result missing"],
    "attestation missing",
  ]);
  expect(listOf(verifyEvidence({ ...whole, agent: null }))).toEqual(
    expect.arrayContaining(["answer missing", "order missing"]),
  );
  const { order: _order, ...former } = whole;
  expect(listOf(verifyEvidence(parseEvidence(former)))).toContain("order missing");
});
