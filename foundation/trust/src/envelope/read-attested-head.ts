import { createPublicKey } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest, type Uuid } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import {
  type AttestedHead,
  type LogHead,
  PAYLOAD_TYPES,
  parseEnvelopeHeader,
} from "@sonde/schemas/wire";
import { checkSignature } from "./channel.ts";
import { keyIdOf } from "./keys.ts";

/**
 * Reads what a hub signed about the audit log of an agent.
 *
 * @returns the head, when the hub signed it (Unix time in ms), for which agent, and with which key;
 *   the caller judges whether that is the hub's key
 * @throws SondeError ENVELOPE_* when the signature does not verify or the message has no head
 */
export function readAttestedHead({ hubKey, envelope }: AttestedHead): {
  head: LogHead;
  at: number;
  agentId: Uuid;
  keyId: Digest;
} {
  const key = createPublicKey(hubKey);
  const keyId = keyIdOf(key);
  const payload = Buffer.from(envelope.payload, "base64");
  checkSignature(envelope, payload, PAYLOAD_TYPES["hub-to-agent"], key, keyId);
  const { peerHead, iat, agentId } = parseEnvelopeHeader(
    parseJson(payload, "envelope header", "ENVELOPE_INVALID"),
  );
  if (peerHead === null) {
    throw new SondeError("ENVELOPE_INVALID", "expected a message with the agent's head, got none");
  }
  return { head: peerHead, at: iat, agentId, keyId };
}
