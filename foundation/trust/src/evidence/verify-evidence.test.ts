import { type Evidence, parseEvidence } from "@sonde/schemas/evidence";
import { beforeAll, describe, expect, test } from "vitest";
import { buildEvidence, type EvidenceLies } from "../testing/build-evidence.ts";
import { EVIDENCE_FAULTS } from "../testing/evidence-faults.ts";
import { buildIncomplete, EVIDENCE_LIES, INCOMPLETE_EVIDENCE } from "../testing/evidence-lies.ts";
import { createTestSigstore, signKeylessSample } from "../testing/sigstore/index.ts";
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
    ...["pack proven", "pack stated", "registry proven", "registry stated"],
    ...[
      "answer proven",
      "answer stated",
      "order proven",
      "result proven",
      "reads proven",
      "reads proven",
      "attestation proven",
    ],
  ]);
  expect([verdict.sound, verdict.callId]).toEqual([true, whole.callId]);
  expect(verdict.result).toMatchObject({ callId: whole.callId, status: "ok" });
  expect(wordsOf(verdict, "log")).toContain("entries 3 and 5");
  expect(wordsOf(verdict, "witness")).toContain("it keeps the log of 6 entries");
  expect(wordsOf(verdict, "request")).toMatch(
    /key:1 may ask system\.memory of sha256:\w+ on web-1/,
  );
  expect(wordsOf(verdict, "answer")).toContain("and the question with it");
  expect(wordsOf(verdict, "pack")).toMatch(/^the key sha256:\w+ signed the archive sha256:/);
  expect(wordsOf(verdict, "registry")).toContain(
    "has sonde/system 1.0.0 with that archive as entry 1",
  );
  expect(wordsOf(verdict, "order")).toContain("and the answer came in the same session");
  expect(wordsOf(verdict, "reads")).toContain("1 digests: file /proc/meminfo");
  expect(wordsOf(verdict, "reads")).toContain("what the pack got of them is in the file");
  expect(verdict.run).toEqual({
    ...{ packDigest: whole.entries[0]?.entry.record.packDigest, probe: "system.memory" },
    input: {
      params: {},
      reads: { meminfo: { ok: true, samples: [expect.objectContaining({ truncated: false })] } },
      now: Date.parse(verdict.result?.collectedAt ?? ""),
    },
  });
  expect(wordsOf(verdict, "attestation")).toContain("with the pack as it was verified");
});

test.each(["order", "reads", "result"] as const)(
  "without its %s a call cannot be run again",
  (part) => {
    const verdict = verifyEvidence({ ...whole, [part]: null });
    expect([verdict.sound, verdict.run]).toEqual([true, null]);
  },
);

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

// Whoever has the hub's keys writes its log as they like. What others signed stays.
test.each(EVIDENCE_LIES)("$name is noticed", async ({ about, says, lies }) => {
  const verdict = verifyEvidence(parseEvidence(await buildEvidence(lies)));
  const broken = verdict.findings.filter(({ state }) => state === "broken");
  expect([verdict.sound, broken.map((found) => found.about)]).toEqual([false, [about]]);
  expect(wordsOf(verdict, about)).toContain(says);
});

test.each(INCOMPLETE_EVIDENCE)("$name is no contradiction", async (of) => {
  const verdict = verifyEvidence(parseEvidence(await buildIncomplete(of)));
  expect([verdict.sound, listOf(verdict).filter((line) => line.endsWith("broken"))]).toEqual([
    ...[true, []],
  ]);
});

test("a witness that has the call, and nothing after it, is one", async () => {
  expect(verifyEvidence(await buildEvidence({ witnessed: 5 })).sound).toBe(true);
});

describe("a pack that was signed with a certificate", () => {
  const issuer = "https://token.actions.githubusercontent.com";
  const identity = "https://github.com/acme/hello/.github/workflows/publish.yml@refs/heads/main";
  const signer = { kind: "keyless" as const, publisher: "sonde", issuer, identity };
  const signedAt = "2026-01-02T03:04:05.000Z";
  const build = async (named = identity): Promise<EvidenceVerdict> => {
    const sigstore = await createTestSigstore();
    const pack: EvidenceLies["pack"] = async (archive) => ({
      bundle: await signKeylessSample(sigstore, archive, { issuer, identity, repositoryId: "1" }),
      signer: { ...signer, identity: named, repositoryId: "1", signedAt },
      publicKey: null,
    });
    return verifyEvidence(await buildEvidence({ pack }));
  };

  test("is proven by that, and who gave it the certificate is stated", async () => {
    const verdict = await build();
    expect([verdict.sound, listOf(verdict)]).toEqual([
      true,
      expect.arrayContaining(["pack proven", "pack stated", "registry proven"]),
    ]);
    expect(wordsOf(verdict, "pack")).toContain(`a certificate for URI:${identity} signed`);
    expect(wordsOf(verdict, "pack")).toContain(`Sigstore's by the issuer ${issuer}`);
  });

  test("of another name than on record is noticed", async () => {
    const verdict = await build(`${identity}x`);
    expect([verdict.sound, listOf(verdict)]).toEqual([
      false,
      expect.arrayContaining(["pack broken"]),
    ]);
  });
});

test("an agent of an earlier release signs the call's id only, and that is said", async () => {
  const header = { principal: null, probe: null, packDigest: null, policyHash: null };
  const verdict = verifyEvidence(await buildEvidence({ header }));
  expect(verdict.sound).toBe(true);
  expect(wordsOf(verdict, "answer")).toContain("and the call's id only");
});

test("what is left out is said", () => {
  const bare = {
    ...whole,
    policy: null,
    pack: null,
    order: null,
    result: null,
    attestation: null,
    witnesses: [],
  };
  const verdict = verifyEvidence(bare);
  expect([verdict.sound, verdict.result]).toEqual([true, null]);
  expect(listOf(verdict).filter((line) => line.endsWith("missing"))).toEqual([
    ...["witness missing", "policy missing", "pack missing", "order missing", "result missing"],
    "attestation missing",
  ]);
  expect(listOf(verifyEvidence({ ...whole, agent: null }))).toEqual(
    expect.arrayContaining(["answer missing", "order missing"]),
  );
  const { order: _order, pack: _pack, ...former } = whole;
  expect(listOf(verifyEvidence(parseEvidence(former)))).toEqual(
    expect.arrayContaining(["order missing", "pack missing", "answer proven"]),
  );
  const local = whole.pack ? { ...whole.pack, log: null } : null;
  expect(listOf(verifyEvidence({ ...whole, pack: local }))).toContain("registry missing");
});
