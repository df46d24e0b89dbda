import { type Static, Type } from "typebox";
import { SondeError } from "../errors.ts";
import { ASKED_BY, ATTESTATION, CANCEL, CHECKPOINTS, HUB_GRANTS, READS } from "./features.ts";

const Protocol = Type.Integer({ minimum: 1, maximum: 9999 });

/** What one end of a session offers. */
export const ProtocolOffer = Type.Object({
  min: Protocol,
  max: Protocol,
  /** Features beyond the protocol. The other end ignores names that it does not know. */
  features: Type.Array(Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" }), { maxItems: 100 }),
});
export type ProtocolOffer = Static<typeof ProtocolOffer>;

/**
 * What this release supports. Protocol 1 is that of release 0.1.0: it negotiates nothing and ends
 * the session on an unknown message. Protocol 2 adds `refused`.
 */
export const OWN_PROTOCOL: ProtocolOffer = {
  min: 1,
  max: 2,
  features: [ASKED_BY, ATTESTATION, CANCEL, CHECKPOINTS, HUB_GRANTS, READS],
};

/** The assumed offer of an end that sends none. */
export const FIRST_PROTOCOL: ProtocolOffer = { min: 1, max: 1, features: [] };

/**
 * Header of the upgrade request by which an agent says that it understands a welcome with an offer.
 * Release 0.1.0 does not send it and would refuse such a welcome.
 */
export const PROTOCOL_HEADER = "Sonde-Protocol";

/**
 * Header of the upgrade request: the agent's clock, as Unix time in ms. An agent whose clock is wrong
 * refuses the hub's first message, so nothing else tells the hub why it does not serve.
 */
export const CLOCK_HEADER = "Sonde-Clock";

/**
 * WebSocket close code for ends without a common protocol. The reason names the protocols that the
 * sender supports.
 */
export const PROTOCOL_CLOSE_CODE = 4001;

/**
 * WebSocket close code of an agent that saw a later state of this hub. The hub then knows why the
 * agent answers no calls.
 */
export const REFUSED_CLOSE_CODE = 4002;

/** RFC 6455, 5.5.1: a close frame has 125 bytes, of which the code takes two. */
const MAX_CLOSE_REASON_BYTES = 123;

/** Shortens a sentence to what the reason of a WebSocket close can hold. */
export function cutCloseReason(sentence: string): string {
  const bytes = new TextEncoder().encode(sentence).subarray(0, MAX_CLOSE_REASON_BYTES);
  // Drops a character that the cut split.
  return new TextDecoder().decode(bytes, { stream: true });
}

/** What the two ends of a session agreed on. */
export type Agreement = { protocol: number; features: ReadonlySet<string> };

/**
 * The newest protocol and the features that both ends support.
 *
 * @throws SondeError PROTOCOL_UNSUPPORTED when they have no protocol in common
 */
export function agreeOnProtocol(own: ProtocolOffer, peer: ProtocolOffer): Agreement {
  const protocol = Math.min(own.max, peer.max);
  if (protocol < own.min || protocol < peer.min) {
    throw new SondeError(
      "PROTOCOL_UNSUPPORTED",
      `expected one of protocols ${describe(own)}, the other side speaks ${describe(peer)}`,
    );
  }
  const theirs = new Set(peer.features);
  return { protocol, features: new Set(own.features.filter((feature) => theirs.has(feature))) };
}

function describe({ min, max }: ProtocolOffer): string {
  return `${min} to ${max}`;
}
