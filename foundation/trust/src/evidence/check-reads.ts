import { createPublicKey } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Evidence } from "@sonde/schemas/evidence";
import {
  type EnvelopeHeader,
  parseReadsBody,
  type ReadsBody,
  type ResultBody,
} from "@sonde/schemas/wire";
import { canonicalJson } from "../canonical-json.ts";
import { openKeptEnvelope, openKeptMessage } from "../envelope/kept-message.ts";
import { explain, nameAgent, type Note, sha256 } from "./findings.ts";

/**
 * Checks what the agent says of its reads: against the hub's record, and against the reads themselves
 * where they are in the file.
 *
 * @param answer what the agent signed of its answer
 * @returns what the pack got of them, as it was signed; null when it is not in the file
 */
export function checkReads(
  evidence: Evidence,
  recorded: AuditRecord | null,
  answer: EnvelopeHeader,
  body: ResultBody,
  note: Note,
): ReadsBody["reads"] | null {
  const { reads } = body;
  const by = nameAgent(evidence.agent?.name);
  // The hub recorded them when the answer came. It does not record those of one that does not fit.
  const isRecorded = recorded?.code !== "RESULT_INVALID";
  if (isRecorded && canonicalJson(recorded?.detail["reads"]) !== canonicalJson(reads)) {
    note("reads", "broken", by, "the reads in the answer are not those that the hub recorded");
    return null;
  }
  const digests = reads.filter(({ sha256: digest }) => digest !== undefined).length;
  const what = reads.map((read) => read.what).join("; ");
  const says = `it read ${reads.length} times, and signed ${digests} digests: ${what}`;
  note("reads", "proven", by, says);
  try {
    const kept = openReads(evidence, answer);
    if (kept === null) return null;
    demandSigned(kept, reads);
    note("reads", "proven", by, "what the pack got of them is in the file, as it was signed");
    return kept;
  } catch (thrown) {
    note("reads", "broken", by, explain(thrown));
    return null;
  }
}

function openReads(
  { hub, agent, reads = null }: Evidence,
  answer: EnvelopeHeader,
): ReadsBody["reads"] | null {
  if (reads === null || agent === null) return null;
  const expected = {
    ...{ type: "reads", dir: "agent-to-hub" as const },
    ...{ hubId: hub.hubId, agentId: agent.agentId, keys: [createPublicKey(agent.publicKey)] },
  };
  const { callId, sessionId } = openKeptEnvelope(reads.envelope, expected);
  if (callId !== answer.callId || sessionId !== answer.sessionId) {
    throw new SondeError("EVIDENCE_INVALID", "the reads in the file are those of another call");
  }
  return parseReadsBody(openKeptMessage(reads, expected)).reads;
}

/** A read for several values has one digest, which stands at each of its lines. */
function demandSigned(kept: ReadsBody["reads"], signed: ResultBody["reads"]): void {
  for (const { name, sha256: digest } of signed) {
    if (digest === undefined) continue;
    const got = sha256(Buffer.from(JSON.stringify(kept[name]) ?? "", "utf8"));
    if (got === digest) continue;
    throw new SondeError(
      "EVIDENCE_INVALID",
      `the agent signed ${digest} as what the pack got of ${name}, and the file has ${got}`,
    );
  }
}
