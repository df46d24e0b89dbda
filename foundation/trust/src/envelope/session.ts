import { hkdfSync } from "node:crypto";

/** RFC 9266: the exporter label for the channel binding of a TLS 1.3 session. */
export const CHANNEL_BINDING_LABEL = "EXPORTER-Channel-Binding";
export const CHANNEL_BINDING_BYTES = 32;
export const NONCE_BYTES = 32;

/**
 * Derives the id of a session. The id binds envelopes to this TLS connection, so that
 * they are not valid on another one or through a proxy that ends TLS (attacks 2 and 10).
 *
 * @param exporter 32 bytes of TLS exporter under CHANNEL_BINDING_LABEL
 * @returns 43 characters of base64url
 */
export function deriveSessionId(exporter: Buffer, hubNonce: Buffer, agentNonce: Buffer): string {
  const salt = Buffer.concat([hubNonce, agentNonce]);
  return Buffer.from(hkdfSync("sha256", exporter, salt, "sonde-session-v1", 32)).toString(
    "base64url",
  );
}
