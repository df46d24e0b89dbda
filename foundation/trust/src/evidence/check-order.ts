import { createPublicKey, X509Certificate } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Evidence } from "@sonde/schemas/evidence";
import {
  type CallBody,
  type EnvelopeHeader,
  MAX_SKEW_MS,
  parseCallBody,
} from "@sonde/schemas/wire";
import { canonicalJson } from "../canonical-json.ts";
import { openKeySet } from "../envelope/key-set.ts";
import { keyIdOf } from "../envelope/keys.ts";
import { openKeptEnvelope, openKeptMessage } from "../envelope/kept-message.ts";
import { explain, HUB, type Note } from "./findings.ts";

/**
 * Checks the hub's order to the agent: by a command key that the CA stated, for what is on record,
 * and in the session of the answer.
 *
 * @param answer what the agent signed of its answer; null when there is none that it signed
 * @returns what was ordered; null when that is not shown
 */
export function checkOrder(
  { callId, hub, agent, order = null }: Evidence,
  request: AuditRecord,
  answer: EnvelopeHeader | null,
  note: Note,
): CallBody | null {
  if (order === null || agent === null) {
    note("order", "missing", HUB, "its signed order to the agent is not in the file");
    return null;
  }
  try {
    const ca = new X509Certificate(hub.authority).publicKey;
    const { hubId } = hub;
    const { commandKeys } = openKeySet(order.keySet, ca, hubId);
    const keyId = order.envelope.signatures[0]?.keyid;
    const used = commandKeys.filter(
      ({ publicKey }) => keyIdOf(createPublicKey(publicKey)) === keyId,
    );
    const expected = {
      ...{ type: "call", dir: "hub-to-agent" as const, hubId, agentId: agent.agentId },
      keys: used.map(({ publicKey }) => createPublicKey(publicKey)),
    };
    const header = openKeptEnvelope(order.envelope, expected);
    for (const { since, until } of used) demandInUse(header.iat, since, until);
    const body = parseCallBody(openKeptMessage(order, expected));
    const { detail } = request;
    const pairs: [string, unknown, unknown][] = [
      ["call", header.callId, callId],
      ["probe", header.probe, request.probe],
      ["principal", header.principal, request.principal],
      ["pack", header.packDigest, request.packDigest],
      ["policy", header.policyHash, detail["policyHash"]],
      ["parameters", canonicalJson(body.params), canonicalJson(detail["params"])],
    ];
    for (const [what, said, recorded] of pairs) {
      if (said === recorded) continue;
      throw new SondeError(
        "EVIDENCE_INVALID",
        `it ordered the ${what} ${String(said)}, and recorded ${String(recorded)}`,
      );
    }
    // The session's id is made of numbers of both sides, so that both signed for one session.
    if (answer !== null && answer.sessionId !== header.sessionId) {
      throw new SondeError("EVIDENCE_INVALID", "the agent did not answer in the order's session");
    }
    if (answer !== null && answer.iat < header.iat - MAX_SKEW_MS) {
      throw new SondeError("EVIDENCE_INVALID", "the agent answered before it was ordered to");
    }
    const at = new Date(header.iat).toISOString();
    const answered = answer === null ? "" : ", and the answer came in the same session";
    note(
      "order",
      "proven",
      HUB,
      `it signed the order to the agent at ${at}, with the recorded parameters${answered}`,
    );
    return body;
  } catch (thrown) {
    note("order", "broken", HUB, explain(thrown));
    return null;
  }
}

/** A key that leaked after its time must make no order of it. */
function demandInUse(iat: number, since: string, until: string | null): void {
  const isEarly = iat < Date.parse(since) - MAX_SKEW_MS;
  if (!isEarly && (until === null || iat <= Date.parse(until) + MAX_SKEW_MS)) return;
  throw new SondeError(
    "EVIDENCE_INVALID",
    `it was signed at ${new Date(iat).toISOString()}, and its key was in use from ${since} to ${until ?? "now"}`,
  );
}
