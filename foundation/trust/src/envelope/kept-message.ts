import { createHash, type KeyObject } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type DsseEnvelope, PAYLOAD_TYPES, parseEnvelopeHeader } from "@sonde/schemas/wire";
import { checkSignature } from "./channel.ts";
import { keyIdOf } from "./keys.ts";

/** A message of the hub as an agent keeps it. */
export type KeptMessage = {
  envelope: DsseEnvelope;
  /** The body's bytes in base64. */
  body: string;
};

/**
 * Verifies a message that this hub sent to this agent in an earlier session. Its session and its time
 * are over, so they are not compared: only what may count for long is kept.
 *
 * @param keys the hub's command keys that count
 * @returns the body, not parsed any further
 * @throws SondeError ENVELOPE_SIGNATURE or ENVELOPE_MISDIRECTED
 */
export function openKeptMessage(
  { envelope, body }: KeptMessage,
  expected: { type: string; hubId: string; agentId: string; keys: readonly KeyObject[] },
): unknown {
  const payload = Buffer.from(envelope.payload, "base64");
  const keyId = envelope.signatures[0]?.keyid;
  const key = expected.keys.find((known) => keyIdOf(known) === keyId);
  if (key === undefined) {
    throw new SondeError("ENVELOPE_SIGNATURE", "expected a signature by a key of this hub");
  }
  checkSignature(envelope, payload, PAYLOAD_TYPES["hub-to-agent"], key, keyIdOf(key));
  const header = parseEnvelopeHeader(parseJson(payload, "envelope header", "ENVELOPE_INVALID"));
  const isOurs =
    header.type === expected.type &&
    header.dir === "hub-to-agent" &&
    header.hubId === expected.hubId &&
    header.agentId === expected.agentId;
  if (!isOurs) {
    throw new SondeError(
      "ENVELOPE_MISDIRECTED",
      `expected a message ${expected.type} of this hub to this agent, got another`,
    );
  }
  const bytes = Buffer.from(body, "base64");
  if (header.bodySha256 !== `sha256:${createHash("sha256").update(bytes).digest("hex")}`) {
    throw new SondeError("ENVELOPE_SIGNATURE", "expected the body that was signed, got another");
  }
  return parseJson(bytes, `${header.type} body`, "ENVELOPE_INVALID");
}
