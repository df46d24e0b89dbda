import { createHash, type KeyObject } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type Direction,
  type DsseEnvelope,
  type EnvelopeHeader,
  PAYLOAD_TYPES,
  parseEnvelopeHeader,
} from "@sonde/schemas/wire";
import { checkSignature } from "./channel.ts";
import { keyIdOf } from "./keys.ts";

/** A message as the side that it was for keeps it. */
export type KeptMessage = {
  envelope: DsseEnvelope;
  /** The body's bytes in base64. */
  body: string;
};

/** Whose message is expected, and by which keys of the sender. */
type Expected = {
  type: string;
  dir: Direction;
  hubId: string;
  agentId: string;
  keys: readonly KeyObject[];
};

/**
 * Verifies the envelope of a message that this hub sent to this agent in an earlier session, or this
 * agent to this hub. Its session and its time are over, so they are not compared: only what may count
 * for long is kept.
 *
 * @throws SondeError ENVELOPE_SIGNATURE or ENVELOPE_MISDIRECTED
 */
export function openKeptEnvelope(envelope: DsseEnvelope, expected: Expected): EnvelopeHeader {
  const payload = Buffer.from(envelope.payload, "base64");
  const keyId = envelope.signatures[0]?.keyid;
  const key = expected.keys.find((known) => keyIdOf(known) === keyId);
  if (key === undefined) {
    throw new SondeError("ENVELOPE_SIGNATURE", "expected a signature by a key of its sender");
  }
  checkSignature(envelope, payload, PAYLOAD_TYPES[expected.dir], key, keyIdOf(key));
  const header = parseEnvelopeHeader(parseJson(payload, "envelope header", "ENVELOPE_INVALID"));
  const isOurs =
    header.type === expected.type &&
    header.dir === expected.dir &&
    header.hubId === expected.hubId &&
    header.agentId === expected.agentId;
  if (isOurs) return header;
  throw new SondeError(
    "ENVELOPE_MISDIRECTED",
    `expected a message ${expected.type}, ${expected.dir}, of this hub and this agent, got another`,
  );
}

/**
 * Verifies such a message with its body.
 *
 * @returns the body, not parsed any further
 * @throws SondeError ENVELOPE_SIGNATURE or ENVELOPE_MISDIRECTED
 */
export function openKeptMessage({ envelope, body }: KeptMessage, expected: Expected): unknown {
  const { bodySha256, type } = openKeptEnvelope(envelope, expected);
  const bytes = Buffer.from(body, "base64");
  if (bodySha256 !== `sha256:${createHash("sha256").update(bytes).digest("hex")}`) {
    throw new SondeError("ENVELOPE_SIGNATURE", "expected the body that was signed, got another");
  }
  return parseJson(bytes, `${type} body`, "ENVELOPE_INVALID");
}
