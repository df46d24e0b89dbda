import { type Static, Type } from "typebox";

/**
 * The signature algorithm of a key that signs envelopes: an agent's, or a hub's command key. It is
 * chosen when the key is made. No message names one.
 */
export const KeyAlgorithm = Type.Union([Type.Literal("ed25519"), Type.Literal("rsa-sha256")]);
export type KeyAlgorithm = Static<typeof KeyAlgorithm>;

/** The algorithm of a key for which nobody chose one. */
export const DEFAULT_KEY_ALGORITHM: KeyAlgorithm = "ed25519";

export const KEY_ALGORITHMS: readonly KeyAlgorithm[] = ["ed25519", "rsa-sha256"];
