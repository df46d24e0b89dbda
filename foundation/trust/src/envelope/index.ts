export {
  type Channel,
  type ChannelOptions,
  createChannel,
  type Incoming,
  type Outgoing,
} from "./channel.ts";
export { compareKeySets, openKeySet } from "./key-set.ts";
export { dssePae } from "./dsse.ts";
export { type KeptMessage, openKeptEnvelope, openKeptMessage } from "./kept-message.ts";
export { openSignedHead, signHead } from "./signed-head.ts";
export { readAttestedHead } from "./read-attested-head.ts";
export {
  algorithmOf,
  createKeyPair,
  createSigningKey,
  isSignedBy,
  keyIdOf,
  type SigningKey,
  webAlgorithmOf,
} from "./keys.ts";
export {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  deriveSessionId,
  NONCE_BYTES,
} from "./session.ts";
