import { randomUUID } from "node:crypto";
import type { Evidence, EvidenceFinding } from "@sonde/schemas/evidence";
import { createKeyPair } from "../envelope/index.ts";
import { formatNoteKey } from "../log/index.ts";
import { createSampleLog } from "./sample-log.ts";
import { createSampleKey } from "./sample-pack.ts";

/** What somebody may change in a file of evidence, and which finding must then be `broken`. */
export type EvidenceFault = {
  name: string;
  about: EvidenceFinding["about"];
  change: (evidence: Evidence) => void;
};

const HASH = Buffer.alloc(32, 7).toString("base64");
const foreignKey = () =>
  createKeyPair("ed25519").publicKey.export({ type: "spki", format: "pem" }).toString();
const set = (part: object | null | undefined, members: object): void => {
  if (part === null || part === undefined) throw new TypeError("expected a whole evidence");
  Object.assign(part, members);
};
const inBase64 = (text: string) => Buffer.from(text, "utf8").toString("base64");

/** A body that is as good as the one that was signed. */
function withAnotherDay(result: string): string {
  const body = JSON.parse(Buffer.from(result, "base64").toString("utf8")) as object;
  return JSON.stringify({ ...body, collectedAt: "2020-01-01T00:00:00.000Z" });
}

function withAnotherSignature(text: string): string {
  const bundle = JSON.parse(text) as { dsseEnvelope: { signatures: object[] } };
  const signatures = [{ sig: HASH, keyid: "" }];
  return JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures } });
}

/** The body of an order with another parameter. */
function withAllTrue(order: string): string {
  const body = JSON.parse(Buffer.from(order, "base64").toString("utf8")) as object;
  return JSON.stringify({ ...body, params: { all: true } });
}

/** A key set that the CA did not sign. */
function withoutSignature(keySet: Evidence["hub"]["keySet"]): Evidence["hub"]["keySet"] {
  const signatures = keySet.signatures.map((one) => ({ ...one, sig: HASH }));
  return { ...keySet, signatures };
}

/** Each changes a whole evidence of a call that was answered. */
export const EVIDENCE_FAULTS: readonly EvidenceFault[] = [
  {
    name: "other-parameters",
    about: "log",
    change: ({ entries }) => set(entries[0]?.entry.record.detail, { params: { all: true } }),
  },
  {
    name: "another-agent",
    about: "log",
    change: ({ entries }) => set(entries[1]?.entry.record, { agent: "db-1" }),
  },
  {
    name: "another-place",
    about: "log",
    change: ({ entries }) => set(entries[0]?.entry, { seq: 2 }),
  },
  {
    name: "another-proof",
    about: "log",
    change: ({ entries }) => set(entries[0], { path: entries[0]?.path.with(0, HASH) }),
  },
  {
    name: "entry-twice",
    about: "log",
    change: ({ entries }) => void entries.push(...entries.slice(0, 1)),
  },
  { name: "no-request", about: "log", change: ({ entries }) => void entries.shift() },
  { name: "another-call", about: "log", change: (file) => set(file, { callId: randomUUID() }) },
  {
    name: "unsigned-checkpoint",
    about: "hub",
    change: ({ checkpoint }) =>
      set(checkpoint, { note: checkpoint.note.replace(/\n[0-9]+\n/, "\n9\n") }),
  },
  {
    name: "another-checkpoint-time",
    about: "hub",
    change: ({ checkpoint }) => set(checkpoint, { at: "2026-01-02T03:04:06.000Z" }),
  },
  {
    name: "another-checkpoint-size",
    about: "hub",
    change: ({ checkpoint }) => set(checkpoint, { size: checkpoint.size + 1 }),
  },
  { name: "another-hub", about: "hub", change: ({ hub }) => set(hub, { hubId: randomUUID() }) },
  { name: "no-certificate", about: "hub", change: ({ hub }) => set(hub, { authority: "none" }) },
  {
    name: "witness-of-another-log",
    about: "witness",
    change: ({ witnesses }) => void witnesses[0]?.path.push(HASH),
  },
  {
    name: "witness-with-another-key",
    about: "witness",
    change: ({ witnesses }) => set(witnesses[0], { publicKey: foreignKey() }),
  },
  {
    name: "witness-with-another-name",
    about: "witness",
    change: ({ witnesses }) => set(witnesses[0], { agent: "db-1" }),
  },
  {
    name: "witness-without-a-key",
    about: "witness",
    change: ({ witnesses }) => set(witnesses[0], { publicKey: "none" }),
  },
  {
    name: "another-policy",
    about: "policy",
    change: (file) => set(file, { policy: '[["owner"]]' }),
  },
  {
    name: "another-maker",
    about: "pack",
    change: ({ pack }) => set(pack, { publicKey: createSampleKey().publicKeyPem }),
  },
  {
    name: "another-signature",
    about: "pack",
    change: ({ pack }) => set(pack, { bundle: withAnotherSignature(pack?.bundle ?? "") }),
  },
  {
    name: "no-bundle",
    about: "pack",
    change: ({ pack }) => set(pack, { bundle: "{}" }),
  },
  {
    name: "another-registry",
    about: "registry",
    change: ({ pack }) => set(pack?.log, { key: formatNoteKey(createSampleLog().key) }),
  },
  {
    name: "unsigned-registry",
    about: "registry",
    change: ({ pack }) => set(pack?.log, { note: pack?.log?.note.replace("\n2\n", "\n3\n") }),
  },
  {
    name: "another-publication",
    about: "registry",
    change: ({ pack }) => set(pack?.log, { path: [HASH] }),
  },
  {
    name: "another-order",
    about: "order",
    change: ({ order }) => set(order, { body: inBase64(withAllTrue(order?.body ?? "")) }),
  },
  {
    name: "order-of-an-unstated-key",
    about: "order",
    change: ({ hub, order }) => set(order, { keySet: withoutSignature(hub.keySet) }),
  },
  {
    name: "answer-as-order",
    about: "order",
    change: ({ order, attestation }) => set(order, { envelope: attestation?.envelope }),
  },
  {
    name: "another-key",
    about: "answer",
    change: ({ agent }) => set(agent, { publicKey: foreignKey() }),
  },
  {
    name: "another-name",
    about: "answer",
    change: ({ agent }) => set(agent, { name: "db-1" }),
  },
  { name: "no-key", about: "answer", change: ({ agent }) => set(agent, { publicKey: "none" }) },
  {
    name: "another-agent-id",
    about: "answer",
    change: ({ agent }) => set(agent, { agentId: randomUUID() }),
  },
  {
    name: "another-result",
    about: "result",
    change: (file) => set(file, { result: inBase64(withAnotherDay(file.result ?? "")) }),
  },
  {
    name: "another-reading",
    about: "reads",
    change: ({ reads }) => set(reads, { body: inBase64('{"reads":{}}') }),
  },
  {
    name: "answer-as-reading",
    about: "reads",
    change: ({ reads, attestation }) => set(reads, { envelope: attestation?.envelope }),
  },
  {
    name: "another-statement",
    about: "attestation",
    change: ({ attestation }) => set(attestation, { body: inBase64("{}") }),
  },
];
