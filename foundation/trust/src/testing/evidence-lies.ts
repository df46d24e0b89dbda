import { randomUUID } from "node:crypto";
import type { Evidence, EvidenceFinding, EvidenceGap } from "@sonde/schemas/evidence";
import { keyIdOf } from "../envelope/index.ts";
import { buildEvidence, type EvidenceLies } from "./build-evidence.ts";
import { buildSampleArchive, createSampleKey, type SampleKey, signSample } from "./sample-pack.ts";

/** A file whose parts are all signed by the right keys, and do not belong together. */
export type EvidenceLie = {
  name: string;
  about: EvidenceFinding["about"];
  /** A part of what must be said of it. */
  says: string;
  lies: EvidenceLies;
};

const OTHER = `sha256:${"e".repeat(64)}` as const;
const at = (seconds: number) => new Date(Date.parse("2026-01-02T03:04:05.000Z") + seconds * 1000);

/** Members of a header, each of another call than the one on record. */
const ANOTHER = [
  ["call", { callId: randomUUID() }],
  ["probe", { probe: "system.disks" }],
  ["principal", { principal: "key:2" }],
  ["pack", { packDigest: OTHER }],
  ["policy", { policyHash: OTHER }],
] as const;

/** What a maker signs with a key, and whose key is on record. */
function signed(
  sign: (archive: Uint8Array, maker: SampleKey) => string,
  recorded?: SampleKey,
): NonNullable<EvidenceLies["pack"]> {
  const maker = createSampleKey();
  const keyId = keyIdOf((recorded ?? maker).privateKey);
  const signer = { kind: "rsa-sha256" as const, publisher: "sonde", keyId };
  return (archive) =>
    Promise.resolve({ bundle: sign(archive, maker), signer, publicKey: maker.publicKeyPem });
}

/** What a hub, an agent, a publisher or a registry with its own keys could say. */
export const EVIDENCE_LIES: readonly EvidenceLie[] = [
  ...ANOTHER.map(
    ([what, header]): EvidenceLie => ({
      ...{ name: `answer-of-another-${what}`, about: "answer", lies: { header } },
      says: `the answer is of the ${what} `,
    }),
  ),
  ...ANOTHER.map(
    ([what, order]): EvidenceLie => ({
      ...{ name: `order-of-another-${what}`, about: "order", lies: { order } },
      says: `it ordered the ${what} `,
    }),
  ),
  {
    name: "order-with-other-parameters",
    about: "order",
    says: "it ordered the parameters ",
    lies: { orderParams: { all: true } },
  },
  {
    name: "order-in-another-session",
    about: "order",
    says: "did not answer in the order's session",
    lies: { orderSession: "t".repeat(43) },
  },
  {
    name: "order-after-its-answer",
    about: "order",
    says: "answered before it was ordered to",
    lies: { orderedAt: at(31) },
  },
  {
    name: "order-before-its-key",
    about: "order",
    says: "its key was in use from",
    lies: { commandKey: { since: at(31), until: null } },
  },
  {
    name: "order-after-its-key",
    about: "order",
    says: "its key was in use from",
    lies: { commandKey: { since: at(-90), until: at(-31) } },
  },
  {
    name: "result-of-another-call",
    about: "result",
    says: "the answer of call ",
    lies: { result: { callId: randomUUID() } },
  },
  {
    name: "result-of-another-status",
    about: "result",
    says: " is ok, and the hub recorded CALL_TIMEOUT",
    lies: { recorded: { status: "failure", code: "CALL_TIMEOUT" } },
  },
  {
    name: "reads-of-another-call",
    about: "reads",
    says: "are those of another call",
    lies: { reads: { callId: randomUUID() } },
  },
  {
    name: "reads-of-another-type",
    about: "reads",
    says: "expected a message reads",
    lies: { reads: { type: "result" } },
  },
  {
    name: "reads-with-other-digests",
    about: "reads",
    says: "as what the pack got of meminfo",
    lies: { otherReads: { meminfo: { ok: true } } },
  },
  {
    name: "reads-fewer-than-digests",
    about: "reads",
    says: "as what the pack got of meminfo",
    lies: { otherReads: {} },
  },
  {
    name: "reads-recorded-otherwise",
    about: "reads",
    says: "not those that the hub recorded",
    lies: { recordedReads: [] },
  },
  {
    name: "denied-and-answered",
    about: "log",
    says: "at most one answer after it where it was admitted",
    lies: { denied: true },
  },
  {
    name: "witness-without-the-call",
    about: "witness",
    says: "the call is not among them",
    lies: { witnessed: 4 },
  },
  {
    name: "attestation-after-the-call",
    about: "attestation",
    says: "made after the call",
    lies: { attestedAt: at(31) },
  },
  {
    name: "attestation-of-other-content",
    about: "attestation",
    says: "it verified the content",
    lies: { content: OTHER },
  },
  {
    name: "pack-signature-on-another-archive",
    about: "pack",
    says: "signed the archive",
    lies: { pack: signed((_, maker) => signSample(buildSampleArchive(), maker)) },
  },
  {
    name: "pack-signature-of-another-type",
    about: "pack",
    says: "expected a signature on a pack",
    lies: {
      pack: signed((archive, maker) => signSample(archive, maker, { payloadType: "text/plain" })),
    },
  },
  {
    name: "pack-signature-by-another-key",
    about: "pack",
    says: "is not the signer that was recorded",
    lies: { pack: signed(signSample, createSampleKey()) },
  },
  {
    name: "pack-record-of-another-form",
    about: "pack",
    says: "record of the request",
    lies: { recordedPack: { name: 5 } },
  },
  ...(
    [
      ["archive", { digest: OTHER }],
      ["content", { contentDigest: OTHER }],
      ["name", { name: "sonde/other" }],
      ["version", { version: "1.0.1" }],
    ] as const
  ).map(
    ([what, published]): EvidenceLie => ({
      ...{ name: `publication-of-another-${what}`, about: "registry", lies: { published } },
      says: "is of another pack",
    }),
  ),
];

/** A file to which something is missing, which is no contradiction. */
export type IncompleteEvidence = { name: string; lies: EvidenceLies; without: EvidenceGap[] };

const PARTS = ["agent", "attestation", "order", "pack", "policy", "reads", "result"] as const;

export const INCOMPLETE_EVIDENCE: readonly IncompleteEvidence[] = [
  ...PARTS.map((part) => ({ name: `without-${part}`, lies: {}, without: [part] })),
  { name: "without-witness", lies: { witnessed: null }, without: [] },
  {
    name: "answer-with-the-call-only",
    lies: { header: { principal: null, probe: null, packDigest: null, policyHash: null } },
    without: [],
  },
  {
    name: "answer-that-failed",
    lies: {
      result: { status: "failure", failure: { code: "CALL_TIMEOUT", message: "too slow" } },
      recorded: { status: "failure", code: "CALL_TIMEOUT" },
    },
    without: ["reads"],
  },
  {
    name: "denied",
    lies: { denied: true, answered: false },
    without: ["agent", "attestation", "order", "reads", "result"],
  },
  { name: "no-answer", lies: { answered: false }, without: ["agent", "order", "reads", "result"] },
];

export async function buildIncomplete(of: IncompleteEvidence): Promise<Evidence> {
  const gaps = of.without.map((part) => ({ part, why: "it was left out for a test" }));
  const left = Object.fromEntries(of.without.map((part) => [part, null]));
  return { ...(await buildEvidence(of.lies)), ...left, gaps };
}
