import { createPublicKey } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Evidence, EvidenceFinding } from "@sonde/schemas/evidence";
import type { Digest } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import type { GuestInput } from "@sonde/schemas/reads";
import {
  type CallBody,
  type EnvelopeHeader,
  MAX_SKEW_MS,
  parseAttestationBody,
  parseDsseEnvelope,
  parseResultBody,
  type ReadsBody,
  type ResultBody,
} from "@sonde/schemas/wire";
// Imported past the front doors, so that a verifier loads nothing else of them.
import { explainBreak } from "../chain/chain.ts";
import { keyIdOf } from "../envelope/keys.ts";
import { openKeptEnvelope, openKeptMessage } from "../envelope/kept-message.ts";
import { hubLogLeaf } from "../hub-log/hub-log.ts";
import { openAttested, readSignedWitness } from "../hub-log/verify-hub-log.ts";
import type { Checkpoint } from "../log/checkpoint.ts";
import { isConsistent, rootFromInclusion } from "../log/merkle.ts";
import { checkOrder } from "./check-order.ts";
import { checkPack } from "./check-pack.ts";
import { checkReads } from "./check-reads.ts";
import { explain, HUB, nameAgent, type Note, sha256, toHashes } from "./findings.ts";

export type EvidenceVerdict = {
  callId: string;
  /** False when anything in the file contradicts another part of it. */
  sound: boolean;
  findings: EvidenceFinding[];
  /** What was answered; null without a body that the agent signed. */
  result: ResultBody | null;
  /** What was run; null unless all of it is in the file, and signed. */
  run: SignedRun | null;
};

/** All by which the answer can be computed again, but for the pack. */
export type SignedRun = { packDigest: Digest; probe: string; input: GuestInput };

/** The entries of a call by what they are. */
type CallRecords = { request: AuditRecord; answer: AuditRecord | null };

/**
 * Verifies the evidence of one call, with nothing but the file.
 *
 * @param evidence is not believed: the CA's certificate in it must be known from elsewhere
 */
export function verifyEvidence(evidence: Evidence): EvidenceVerdict {
  const findings: EvidenceFinding[] = [];
  const note: Note = (about, state, by, says) => findings.push({ about, state, by, says });
  const verdict: Omit<EvidenceVerdict, "sound"> = {
    ...{ callId: evidence.callId, findings, result: null, run: null },
  };
  const end = () => ({ ...verdict, sound: findings.every(({ state }) => state !== "broken") });

  const checkpoint = checkHub(evidence, note);
  if (checkpoint === null) return end();
  const records = checkLog(evidence, checkpoint, note);
  checkWitnesses(evidence, checkpoint, note);
  if (records === null) return end();
  noteRequest(records.request, note);
  checkPolicy(evidence, records.request, note);
  const content = checkPack(evidence, records.request, note);
  const header = checkAnswer(evidence, records, note);
  const order = checkOrder(evidence, records.request, header, note);
  if (header !== null) {
    const result = checkResult(evidence, records.answer, header, note);
    const reads = result && checkReads(evidence, records.answer, header, result, note);
    verdict.result = result;
    verdict.run = describeRun(records.request, order, result, reads);
  }
  checkAttestation(evidence, records.request, content, note);
  return end();
}

function checkHub({ hub, checkpoint }: Evidence, note: Note): Checkpoint | null {
  try {
    const opened = openAttested({ ...hub, checkpoint });
    if (opened === null) throw new SondeError("HUB_UNTRUSTED", "there is no checkpoint");
    demandStated(checkpoint, opened);
    const at = opened.at.toISOString();
    note(
      "hub",
      "proven",
      HUB,
      `its CA stated the key that signed the log of ${opened.size} entries at ${at}`,
    );
    return opened;
  } catch (thrown) {
    note("hub", "broken", HUB, explain(thrown));
    return null;
  }
}

/** Whoever reads the file goes by its members, and the signature is on the note. */
function demandStated(stated: Evidence["checkpoint"], signed: Checkpoint): void {
  const isSame =
    stated.size === signed.size &&
    stated.root === signed.root.toString("base64") &&
    // A note has whole seconds.
    Math.floor(Date.parse(stated.at) / 1000) * 1000 === signed.at.getTime();
  if (isSame) return;
  throw new SondeError(
    "EVIDENCE_INVALID",
    "the checkpoint's size, root or time is not that of the note that was signed",
  );
}

function checkLog(
  { callId, entries }: Evidence,
  { size, root }: Checkpoint,
  note: Note,
): CallRecords | null {
  for (const { entry, path } of entries) {
    const why = explainBreak({ size: entry.seq - 1, hash: entry.previous }, entry);
    const reached = rootFromInclusion(hubLogLeaf(entry.hash), entry.seq - 1, size, toHashes(path));
    const problem =
      why ??
      (reached?.equals(root) === true
        ? null
        : `entry ${entry.seq} is not in the log that was signed`) ??
      (entry.record.callId === callId ? null : `entry ${entry.seq} is of another call`);
    if (problem === null) continue;
    note("log", "broken", HUB, problem);
    return null;
  }
  const of = (...events: AuditRecord["event"][]) =>
    entries.filter(({ entry }) => events.includes(entry.record.event)).map(({ entry }) => entry);
  const [request, ...others] = of("call.request", "call.denied");
  const [answer = null, ...more] = of("call.response", "call.unknown");
  const isAdmitted = request?.record.event === "call.request";
  const isOrdered = answer === null || (isAdmitted && answer.seq > request.seq);
  if (request === undefined || others.length + more.length > 0 || !isOrdered) {
    note(
      "log",
      "broken",
      HUB,
      "expected one request, and at most one answer after it where it was admitted",
    );
    return null;
  }
  const seqs = entries.map(({ entry }) => entry.seq).join(" and ");
  note("log", "proven", HUB, `entries ${seqs} were in the log when it was signed`);
  return { request: request.record, answer: answer?.record ?? null };
}

function checkWitnesses(
  { hub, entries, agent, witnesses }: Evidence,
  now: Checkpoint,
  note: Note,
): void {
  const last = Math.max(...entries.map(({ entry }) => entry.seq));
  for (const { path, ...witness } of witnesses) {
    const { size } = witness;
    const by = nameAgent(witness.agent);
    const seen = { size, root: Buffer.from(witness.root, "base64") };
    const isAnswering = witness.agentId === agent?.agentId;
    const signedAt = readSignedWitness(witness, hub.hubId);
    if (signedAt === null) {
      note("witness", "broken", by, "the key that is said to be its own did not sign its word");
    } else if (isAnswering && witness.agent !== agent.name) {
      note("witness", "broken", by, `the agent that answered is called ${agent.name} elsewhere`);
    } else if (!isConsistent(seen, now, toHashes(path))) {
      note("witness", "broken", by, `it keeps another log of ${size} entries`);
    } else if (size < last) {
      note("witness", "broken", by, `it keeps ${size} entries, and the call is not among them`);
    } else {
      const who = isAnswering ? "the agent that answered" : "another agent";
      note(
        "witness",
        "proven",
        by,
        `${who} signed at ${signedAt.toISOString()} that it keeps the log of ${size} entries, with this call in it`,
      );
    }
  }
  if (witnesses.length === 0) {
    const alone = "nobody but the hub speaks for the log: it may show others another one";
    note("witness", "missing", HUB, alone);
  } else {
    // A hub can make up an agent. Whoever has the host compares the key.
    note("witness", "stated", HUB, "the keys of these agents are theirs");
  }
}

function noteRequest(request: AuditRecord, note: Note): void {
  const { at, event, principal, agent, probe, packDigest, code, detail } = request;
  const { person, client } = detail;
  const behind = [person, client].filter((one) => typeof one === "string").join(", ");
  const who = `${principal ?? "nobody"}${behind === "" ? "" : ` (${behind})`}`;
  const decided =
    event === "call.denied"
      ? `was denied (${code ?? "no code"}): ${String(detail["reason"])}`
      : `may ask ${probe} of ${packDigest} on ${agent} with ${JSON.stringify(detail["params"])}`;
  note("request", "stated", HUB, `at ${at} ${who} ${decided}`);
}

function checkPolicy({ policy }: Evidence, { detail }: AuditRecord, note: Note): void {
  const recorded = detail["policyHash"];
  if (policy === null) {
    note("policy", "missing", HUB, "its text is not in the file");
  } else if (recorded !== sha256(Buffer.from(policy, "utf8"))) {
    note(
      "policy",
      "broken",
      HUB,
      "its text is not the one whose hash was recorded with the request",
    );
  } else {
    note("policy", "proven", HUB, "its text is the one whose hash was recorded with the request");
  }
}

/** @returns what the agent signed of its answer; null when there is none that it signed */
function checkAnswer(
  { callId, hub, agent }: Evidence,
  { request, answer }: CallRecords,
  note: Note,
): EnvelopeHeader | null {
  const signed = answer?.detail["envelope"];
  if (answer === null || signed === undefined) {
    const how = answer === null ? "no answer" : `the end without an answer, ${answer.code}`;
    note("answer", "missing", nameAgent(request.agent), `the hub recorded ${how}`);
    return null;
  }
  if (agent === null) {
    note(
      "answer",
      "missing",
      nameAgent(request.agent),
      "the key that signed it is not in the file",
    );
    return null;
  }
  try {
    const expected = expectOf("result", hub.hubId, agent);
    const header = openKeptEnvelope(parseDsseEnvelope(signed), expected);
    demandAnswers(header, callId, request, agent.name);
    const question = header.probe === null ? "the call's id only" : "the question with it";
    const at = new Date(header.iat).toISOString();
    const keyId = keyIdOf(createPublicKey(agent.publicKey));
    note(
      "answer",
      "proven",
      nameAgent(agent.name),
      `it signed the answer at ${at}, and ${question}`,
    );
    note(
      "answer",
      "stated",
      HUB,
      `the key ${keyId} is that of agent ${agent.name} since ${agent.since}`,
    );
    return header;
  } catch (thrown) {
    note("answer", "broken", nameAgent(agent.name), explain(thrown));
    return null;
  }
}

/** An agent of an earlier release signs nothing of the question but the call's id. */
function demandAnswers(
  header: EnvelopeHeader,
  callId: string,
  request: AuditRecord,
  agent: string,
): void {
  const { detail } = request;
  const pairs: [string, unknown, unknown][] = [
    ["agent", agent, request.agent],
    ["call", header.callId, callId],
    ["probe", header.probe ?? request.probe, request.probe],
    ["principal", header.principal ?? request.principal, request.principal],
    ["pack", header.packDigest ?? request.packDigest, request.packDigest],
    ["policy", header.policyHash ?? detail["policyHash"], detail["policyHash"]],
  ];
  for (const [what, said, recorded] of pairs) {
    if (said === recorded) continue;
    throw new SondeError(
      "EVIDENCE_INVALID",
      `the answer is of the ${what} ${String(said)}, the hub recorded ${String(recorded)}`,
    );
  }
}

function checkResult(
  { callId, result, agent }: Evidence,
  answer: AuditRecord | null,
  { bodySha256 }: EnvelopeHeader,
  note: Note,
): ResultBody | null {
  const by = nameAgent(agent?.name);
  if (result === null) {
    note(
      "result",
      "missing",
      by,
      `the answer itself is not in the file; its SHA-256 is ${bodySha256}`,
    );
    return null;
  }
  const bytes = Buffer.from(result, "base64");
  if (sha256(bytes) !== bodySha256) {
    note("result", "broken", by, "the answer in the file is not the one that was signed");
    return null;
  }
  let body: ResultBody;
  try {
    body = parseResultBody(parseJson(bytes, "answer", "EVIDENCE_INVALID"));
    demandRecorded(body, callId, answer);
  } catch (thrown) {
    note("result", "broken", by, explain(thrown));
    return null;
  }
  const { count } = body.redactions;
  note(
    "result",
    "proven",
    by,
    `the answer is the one that was signed; ${count} values were replaced in it`,
  );
  return body;
}

/** The hub records the answer's own status, but for one that does not fit. */
function demandRecorded(
  { callId: own, status, failure }: ResultBody,
  callId: string,
  answer: AuditRecord | null,
): void {
  const isRecorded =
    answer?.code === "RESULT_INVALID" ||
    (answer?.status === status && answer.code === (failure?.code ?? null));
  if (own === callId && isRecorded) return;
  throw new SondeError(
    "EVIDENCE_INVALID",
    `the answer of call ${own} is ${failure?.code ?? status}, and the hub recorded ${answer?.code ?? answer?.status} of call ${callId}`,
  );
}

function describeRun(
  { packDigest, probe }: AuditRecord,
  order: CallBody | null,
  result: ResultBody | null,
  reads: ReadsBody["reads"] | null,
): SignedRun | null {
  if (packDigest === null || probe === null) return null;
  if (order === null || result === null || reads === null) return null;
  const now = Date.parse(result.collectedAt);
  // As the agent got them from its runners and checked them.
  const input = { params: order.params, reads: reads as GuestInput["reads"], now };
  return { packDigest, probe, input };
}

function checkAttestation(
  { hub, agent, attestation }: Evidence,
  request: AuditRecord,
  content: string | null,
  note: Note,
): void {
  const by = nameAgent(agent?.name ?? request.agent);
  if (attestation === null || agent === null) {
    note("attestation", "missing", by, "no statement of the agent about itself is in the file");
    return;
  }
  try {
    const expected = expectOf("attestation", hub.hubId, agent);
    const { iat } = openKeptEnvelope(attestation.envelope, expected);
    if (iat > Date.parse(request.at) + MAX_SKEW_MS) {
      throw new SondeError("EVIDENCE_INVALID", "it was made after the call");
    }
    const { statement } = parseAttestationBody(openKeptMessage(attestation, expected));
    const at = new Date(iat).toISOString();
    const { name, agentVersion, programSha256, maxCapability, packs } = statement;
    const pack = packs.find(({ digest }) => digest === request.packDigest);
    const verified = pack?.verified ?? content;
    if (content !== null && verified !== content) {
      throw new SondeError(
        "EVIDENCE_INVALID",
        `it verified the content ${verified}, and the publisher signed ${content}`,
      );
    }
    const isWhole = pack !== undefined && pack.content !== null && pack.content === pack.verified;
    const own = `at ${at} it signed that it is ${name}, release ${agentVersion}, program ${programSha256}, up to ${maxCapability}`;
    const stored = isWhole ? "with the pack as it was verified" : "and says nothing of the pack";
    note("attestation", "proven", by, `${own}, ${stored}`);
  } catch (thrown) {
    note("attestation", "broken", by, explain(thrown));
  }
}

function expectOf(type: string, hubId: string, agent: NonNullable<Evidence["agent"]>) {
  const { agentId, publicKey } = agent;
  const dir = "agent-to-hub" as const;
  return { type, dir, hubId, agentId, keys: [createPublicKey(publicKey)] };
}
