import { setTimeout as wait } from "node:timers/promises";
import type { AuditEntry, AuditWitness } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import {
  EVIDENCE_FORMAT,
  type Evidence,
  type EvidenceGap,
  MAX_EVIDENCE_WITNESSES,
} from "@sonde/schemas/evidence";
import type { Digest } from "@sonde/schemas/names";
import type { PackProof, Signer } from "@sonde/schemas/trust";
import { decodeFrame, parseDsseEnvelope } from "@sonde/schemas/wire";
import type { KeptMessage } from "@sonde/trust/envelope";
import type { Checkpoint } from "@sonde/trust/log";
import {
  type AuditStore,
  describeCheckpoint,
  type DroppedStore,
  explainMissingCall,
} from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { SignedAnswer } from "../../links/index.ts";
import type { AgentStatements } from "./agent-statements.ts";
import type { EvidenceStore } from "./evidence-store.ts";
import type { KeptResults } from "./kept-results.ts";

export type EvidenceSources = {
  auditStore: Pick<AuditStore, "readCall">;
  dropped: Pick<DroppedStore, "find">;
  /** The agents that keep a checkpoint of so many entries, `first` before the others. */
  findWitnesses: (wanted: {
    size: number;
    first: string | null;
    limit: number;
  }) => Promise<AuditWitness[]>;
  /** @param signer null for any */
  readPackProof: (digest: Digest, signer: Signer | null) => Promise<PackProof | null>;
  store: EvidenceStore;
  results: Pick<KeptResults, "read">;
  statements: Pick<AgentStatements, "readAt">;
};

/** How long an agent gets to say that it keeps a checkpoint with the call in it. */
const WITNESS_MS = 3_000;
const LOOK_AGAIN_MS = 200;
const NOT_KEPT = "it was not kept, or not for so long";
const READS_NOT_KEPT =
  "reads are kept when evidence.reads of hub.json and evidence.sendReads of the host's agent.json are true, at most 2 MiB of a call that succeeds, for as long as its answer";
const MAX_ENVELOPE_BYTES = 16_384;

/**
 * Gathers all that this hub has of a call. A part that it has not is a gap with its reason.
 *
 * @throws SondeError NOT_FOUND when the log has no such call, AUDIT_INCONSISTENT when it is not the
 *   one that was signed
 */
export async function gatherEvidence(
  hub: Pick<Hub, "auditLog" | "checkpoints" | "directory" | "keys" | "links">,
  sources: EvidenceSources,
  callId: string,
): Promise<Evidence> {
  const { checkpoints, keys } = hub;
  const { store, results, statements } = sources;
  const entries = await sources.auditStore.readCall(callId);
  const last = entries.at(-1);
  if (last === undefined) throw await explainMissingCall(hub.auditLog, sources.dropped);
  const gaps: Evidence["gaps"] = [];
  /** @returns the part, or null after its gap was noted */
  const orGap = <T>(part: EvidenceGap, found: T | null, why: string): T | null => {
    if (found === null) gaps.push({ part, why });
    return found;
  };

  const { seen, checkpoint } = await awaitWitnesses(hub, sources, last);
  if (seen.length === 0) {
    const why = "no agent has told yet that it keeps a checkpoint with this call; export it later";
    gaps.push({ part: "witness", why });
  }
  const request = entries[0]?.record;
  const answer = entries.find(({ record }) => record.event === "call.response")?.record;
  const packDigest = request?.packDigest ?? null;
  const { signer = null } = (request?.detail ?? {}) as { signer?: Signer };
  const policyHash = request?.detail["policyHash"];
  const keyId = keyOfAnswer(answer?.detail["envelope"]);
  const key = keyId === null ? null : await store.readAgentKey(keyId);
  const agent = orGap(
    "agent",
    key && { ...key, name: request?.agent ?? "", since: key.since.toISOString() },
    keyId === null ? "the agent gave no answer" : "the key is of no agent that this hub knew",
  );
  const kept = keyId === null ? null : await results.read(callId);
  return {
    format: EVIDENCE_FORMAT,
    callId,
    hub: {
      ...{ hubId: keys.hubId, authority: keys.authority },
      keySet: keys.signing.held().envelope,
    },
    checkpoint: describeCheckpoint(checkpoint),
    entries: await Promise.all(
      entries.map(async (entry) => ({
        entry,
        path: inBase64(await checkpoints.proveEntry(entry.seq, checkpoint.size)),
      })),
    ),
    policy: orGap(
      "policy",
      isDigest(policyHash) ? await store.readPolicy(policyHash) : null,
      policyHash === undefined
        ? "the record names no policy"
        : "the call was recorded by a release that kept no text of it",
    ),
    pack: orGap(
      "pack",
      packDigest === null ? null : await sources.readPackProof(packDigest, signer),
      packDigest === null
        ? "the record names no pack"
        : "nobody signed it, another did since, or a release admitted it that kept no proof",
    ),
    agent,
    order: orGap(
      "order",
      kept?.order ? await describeOrder(store, kept.order) : null,
      explainNoOrder(keyId, kept),
    ),
    result: orGap(
      "result",
      kept?.body.toString("base64") ?? null,
      keyId === null ? "the agent gave no answer" : NOT_KEPT,
    ),
    reads: orGap(
      "reads",
      kept?.reads ? readFrame(kept.reads) : null,
      keyId === null ? "the agent gave no answer" : READS_NOT_KEPT,
    ),
    attestation: orGap(
      "attestation",
      agent === null || request === undefined
        ? null
        : await statements.readAt(agent.agentId, new Date(request.at)),
      agent === null ? "the agent is not known" : "the agent had made no statement that is kept",
    ),
    witnesses: await Promise.all(
      seen.map(async (witness) => ({
        ...witness,
        path: inBase64(await checkpoints.proveGrowth(witness.size, checkpoint.size)),
      })),
    ),
    gaps,
  };
}

/**
 * Signs the log with the entry in it, and waits a moment for agents to take that over.
 *
 * @returns those that keep a checkpoint with it, the asked agent first, and the newest checkpoint
 */
async function awaitWitnesses(
  { checkpoints, directory, links }: Pick<Hub, "checkpoints" | "directory" | "links">,
  { findWitnesses }: EvidenceSources,
  { seq, record }: AuditEntry,
): Promise<{ seen: AuditWitness[]; checkpoint: Checkpoint }> {
  const known = await checkpoints.atLeast(seq);
  if (known === null || known.size < seq) await checkpoints.sign();
  const deadline = performance.now() + WITNESS_MS;
  const isAnyOnline = () => directory.agents().some((agent) => links.isOnline(agent));
  for (;;) {
    const wanted = { size: seq, first: record.agent, limit: MAX_EVIDENCE_WITNESSES };
    const seen = await findWitnesses(wanted);
    const size = Math.max(seq, ...seen.map((witness) => witness.size));
    const checkpoint = await checkpoints.atLeast(size);
    const isOver = performance.now() >= deadline || !isAnyOnline();
    if (checkpoint !== null && checkpoint.size >= size && (seen.length > 0 || isOver)) {
      return { seen, checkpoint };
    }
    if (isOver) throw new SondeError("AUDIT_UNAVAILABLE", "the log has not been signed yet");
    await wait(LOOK_AGAIN_MS);
  }
}

/** Null when no key set that states its key is kept. */
async function describeOrder(
  store: EvidenceStore,
  frame: Buffer,
): Promise<NonNullable<Evidence["order"]> | null> {
  const message = readFrame(frame);
  const keyId = message.envelope.signatures[0]?.keyid;
  const keySet = keyId === undefined ? null : await store.readKeySet(keyId);
  return keySet && { ...message, keySet };
}

function readFrame(frame: Buffer): KeptMessage {
  const { head, body } = decodeFrame(frame, MAX_ENVELOPE_BYTES, "INTERNAL");
  return { envelope: parseDsseEnvelope(head), body: body.toString("base64") };
}

function explainNoOrder(keyId: string | null, kept: SignedAnswer | null): string {
  if (keyId === null) return "the agent gave no answer";
  if (kept === null) return NOT_KEPT;
  if (kept.order !== null) return "the key set that states its key was not kept";
  return "scrubbing hides some of its parameters, so it was not kept; or an earlier release made it";
}

function keyOfAnswer(envelope: unknown) {
  if (envelope === undefined) return null;
  return parseDsseEnvelope(envelope).signatures[0]?.keyid ?? null;
}

function isDigest(value: unknown): value is `sha256:${string}` {
  return typeof value === "string" && value.startsWith("sha256:");
}

function inBase64(path: readonly Buffer[]): string[] {
  return path.map((hash) => hash.toString("base64"));
}
