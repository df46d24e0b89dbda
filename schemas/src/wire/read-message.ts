import { SondeError } from "../errors.ts";
import { parseAttestBody, parseAttestationBody, parseHostChangedBody } from "./attestation.ts";
import { parseCheckpointBody, parseWitnessBody } from "./checkpoint.ts";
import { parseApprovalsBody, parseHubGrantsBody } from "./hub-grants.ts";
import {
  parseCallBody,
  parseCancelBody,
  parseCertificateBody,
  parseDesiredStateBody,
  parseHelloBody,
  parseKeySetBody,
  parsePackReportBody,
  parseReadsBody,
  parseRefusedBody,
  parseResultBody,
  parseWelcomeBody,
} from "./messages.ts";

const FROM_HUB = {
  welcome: parseWelcomeBody,
  "desired-state": parseDesiredStateBody,
  call: parseCallBody,
  cancel: parseCancelBody,
  certificate: parseCertificateBody,
  attest: parseAttestBody,
  checkpoint: parseCheckpointBody,
  "hub-grants": parseHubGrantsBody,
  "key-set": parseKeySetBody,
  refused: parseRefusedBody,
};
const FROM_AGENT = {
  hello: parseHelloBody,
  "pack-report": parsePackReportBody,
  reads: parseReadsBody,
  result: parseResultBody,
  attestation: parseAttestationBody,
  approvals: parseApprovalsBody,
  "host-changed": parseHostChangedBody,
  witness: parseWitnessBody,
  refused: parseRefusedBody,
};

type Parsers = Record<string, (body: unknown) => unknown>;
type MessageOf<P extends Parsers> = {
  [Type in keyof P]: { type: Type; body: ReturnType<P[Type]> };
}[keyof P];

/** Every message that a hub sends, by type. The receiver switches over all of them. */
export type HubMessage = MessageOf<typeof FROM_HUB>;
/** Every message that an agent sends. */
export type AgentMessage = MessageOf<typeof FROM_AGENT>;
export type MessageType = (HubMessage | AgentMessage)["type"];

/**
 * Parses a hub's message, whose header has been verified.
 *
 * @throws SondeError ENVELOPE_INVALID for a message that no release may send; it ends the session.
 *   PROTOCOL_UNSUPPORTED for a type, or an order's member, of another release; only this
 *   message is refused, and the session continues.
 */
export function readHubMessage(type: string, body: unknown): HubMessage {
  return readMessage(FROM_HUB, FROM_AGENT, type, body) as HubMessage;
}

/** Parses an agent's message; see readHubMessage. */
export function readAgentMessage(type: string, body: unknown): AgentMessage {
  return readMessage(FROM_AGENT, FROM_HUB, type, body) as AgentMessage;
}

function readMessage(expected: Parsers, others: Parsers, type: string, body: unknown) {
  const parse = Object.hasOwn(expected, type) ? expected[type] : undefined;
  if (parse !== undefined) return { type, body: parse(body) };
  if (Object.hasOwn(others, type)) {
    throw new SondeError("ENVELOPE_INVALID", `expected no ${type} message from that side`);
  }
  throw new SondeError("PROTOCOL_UNSUPPORTED", `expected a known message, got ${type}`);
}
