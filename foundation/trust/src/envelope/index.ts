export {
  type Channel,
  type ChannelOptions,
  createChannel,
  type Incoming,
  type Outgoing,
} from "./channel.ts";
export { dssePae } from "./dsse.ts";
export { createSigningKey, keyIdOf, type SigningKey, isSignedBy } from "./keys.ts";
export {
  CHANNEL_BINDING_BYTES,
  CHANNEL_BINDING_LABEL,
  deriveSessionId,
  NONCE_BYTES,
} from "./session.ts";
