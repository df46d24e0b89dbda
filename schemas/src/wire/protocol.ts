import { type Static, Type } from "typebox";
import { SondeError } from "../errors.ts";

const Protocol = Type.Integer({ minimum: 1, maximum: 9999 });

/** What one end of the wire speaks. */
export const ProtocolOffer = Type.Object({
  min: Protocol,
  max: Protocol,
  /** What it can do beyond its protocol; a name that the other end does not know is passed over. */
  features: Type.Array(Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" }), { maxItems: 100 }),
});
export type ProtocolOffer = Static<typeof ProtocolOffer>;

/**
 * What this code speaks. Protocol 1 is that of release 0.1.0, which says nothing of protocols and
 * ends a session over a message that it does not know. Protocol 2 adds `refused`.
 */
export const OWN_PROTOCOL: ProtocolOffer = { min: 1, max: 2, features: [] };

/** What an end speaks that says nothing of it. */
export const FIRST_PROTOCOL: ProtocolOffer = { min: 1, max: 1, features: [] };

/**
 * The upgrade request's header by which an agent says that it understands a welcome with an offer:
 * release 0.1.0 sends none and would refuse such a welcome.
 */
export const PROTOCOL_HEADER = "Sonde-Protocol";

/** The WebSocket close code of an end that has no protocol in common; the reason says which it speaks. */
export const PROTOCOL_CLOSE_CODE = 4001;

/** RFC 6455, 5.5.1: the reason of a close has at most 125 bytes less the two of the code. */
const MAX_CLOSE_REASON_BYTES = 123;

/** So much of a sentence as the reason of a WebSocket close can hold. */
export function cutCloseReason(sentence: string): string {
  const bytes = new TextEncoder().encode(sentence).subarray(0, MAX_CLOSE_REASON_BYTES);
  // A character that the cut went through is left out.
  return new TextDecoder().decode(bytes, { stream: true });
}

/** What both ends of a session speak. */
export type Agreement = { protocol: number; features: ReadonlySet<string> };

/**
 * The newest protocol that both ends know, and the features that both have.
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
