import { createPublicKey } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type DsseEnvelope,
  type KeySet,
  parseStatedHead,
  SIGNED_HEAD_TYPE,
  type StatedHead,
} from "@sonde/schemas/wire";
import { dssePae } from "./dsse.ts";
import { isSignedBy, keyIdOf, type SigningKey } from "./keys.ts";

/** Signs what a hub states of its audit log, with its audit key. */
export function signHead(stated: StatedHead, signer: SigningKey): DsseEnvelope {
  const payload = Buffer.from(JSON.stringify(stated), "utf8");
  const sig = signer.sign(dssePae(SIGNED_HEAD_TYPE, payload)).toString("base64");
  return {
    payloadType: SIGNED_HEAD_TYPE,
    payload: payload.toString("base64"),
    signatures: [{ keyid: signer.keyId, sig }],
  };
}

/**
 * Verifies a head of the hub's audit log that one of these keys signed, and returns it.
 *
 * @throws SondeError HUB_UNTRUSTED
 */
export function openSignedHead(
  { payload, signatures: [signature] }: DsseEnvelope,
  auditKeys: NonNullable<KeySet["auditKeys"]>,
): StatedHead {
  const bytes = Buffer.from(payload, "base64");
  const key = auditKeys
    .map(({ publicKey }) => createPublicKey(publicKey))
    .find((known) => keyIdOf(known) === signature?.keyid);
  const isSigned =
    // The type is ours, not the message's: whatever else the key signs is no head.
    key !== undefined &&
    signature !== undefined &&
    isSignedBy(key, dssePae(SIGNED_HEAD_TYPE, bytes), Buffer.from(signature.sig, "base64"));
  if (!isSigned) {
    throw new SondeError("HUB_UNTRUSTED", "expected a head of the log that an audit key signed");
  }
  return parseStatedHead(parseJson(bytes, "head of the log", "HUB_UNTRUSTED"));
}
