import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { KEY_SET_TYPE, type KeySet, parseDsseEnvelope, parseKeySet } from "@sonde/schemas/wire";
import { dssePae } from "./dsse.ts";
import { algorithmOf, keyIdOf } from "./keys.ts";

/**
 * Verifies a key set that the hub's CA signed, and returns it.
 *
 * @param envelope of any origin
 * @param root the public key of the CA that was pinned at enrolment (ECDSA on P-256)
 * @throws SondeError HUB_UNTRUSTED; ENVELOPE_INVALID for what is no envelope
 */
export function openKeySet(envelope: unknown, root: KeyObject, hubId: string): KeySet {
  const { payloadType, payload, signatures } = parseDsseEnvelope(envelope);
  const [{ keyid, sig } = { keyid: "", sig: "" }] = signatures;
  const bytes = Buffer.from(payload, "base64");
  const isSigned =
    payloadType === KEY_SET_TYPE &&
    keyid === keyIdOf(root) &&
    // The form in which WebCrypto signs; see ca/authority.
    verify(
      "sha256",
      dssePae(KEY_SET_TYPE, bytes),
      { key: root, dsaEncoding: "ieee-p1363" },
      Buffer.from(sig, "base64"),
    );
  if (!isSigned) {
    throw new SondeError("HUB_UNTRUSTED", "expected a key set that the pinned CA signed");
  }
  const set = parseKeySet(parseJson(bytes, "key set", "HUB_UNTRUSTED"));
  if (set.hubId !== hubId) {
    throw new SondeError("HUB_UNTRUSTED", `expected the key set of hub ${hubId}, got another's`);
  }
  const all = [...set.commandKeys, ...(set.auditKeys ?? [])];
  const keys = all.map(({ publicKey }) => createPublicKey(publicKey));
  for (const key of keys) algorithmOf(key);
  // Whoever has the key of one use must not have that of another (identity rule 10).
  if (new Set(keys.map(keyIdOf)).size < keys.length) {
    throw new SondeError("HUB_UNTRUSTED", "expected a key set of different keys, got one twice");
  }
  return set;
}

/** Negative when `left` is older than `right`, 0 for the same place, positive when it is newer. */
export function compareKeySets(
  left: Pick<KeySet, "epoch" | "version">,
  right: Pick<KeySet, "epoch" | "version">,
): number {
  return left.epoch - right.epoch || left.version - right.version;
}
