import type { KeyObject } from "node:crypto";
import type { Bundle } from "@sigstore/bundle";
import { Verifier, toSignedEntity } from "@sigstore/verify";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { type SignerPolicy } from "@sonde/schemas/trust";
import { keyIdOf } from "../envelope/index.ts";
import { parsePublisherKey } from "./publisher-key.ts";
import { rejectingThrows } from "./rejecting-throws.ts";

/** The key that signed. */
export type ManagedKeySignature = { kind: "rsa-sha256"; keyId: Digest };

/**
 * Verifies a signature by a key of the policy. The bundle's hint only selects which key.
 * Does not check for which publisher the key may sign.
 *
 * @throws SondeError SIGNATURE_INVALID, SIGNER_UNTRUSTED, CONFIG_INVALID
 */
export function verifyManagedKey(
  bundle: Bundle,
  hint: string,
  policy: SignerPolicy,
): ManagedKeySignature {
  const key = findKey(policy, hint);
  if (key === null) {
    // The name is the bundle's own. Only the form of a key's id is repeated.
    const named = /^sha256:[0-9a-f]{64}$/.test(hint) ? `one that it calls ${hint}` : "another";
    throw new SondeError(
      "SIGNER_UNTRUSTED",
      `bundle: expected a key of the policy, got ${named}; to trust it: sonde trust add PUBLISHER --key FILE`,
    );
  }
  const verifier = new Verifier(
    {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      // OpenSSL's default digest for such a key is SHA-256, whatever the bundle says.
      publicKey: () => ({ publicKey: key, validFor: () => true }),
    },
    // A managed key needs no log entries and no timestamps. If some are present they must
    // verify, which fails, since no authority is configured above.
    { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 },
  );
  rejectingThrows(() => verifier.verify(toSignedEntity(bundle)));
  return { kind: "rsa-sha256", keyId: keyIdOf(key) };
}

function findKey(policy: SignerPolicy, keyId: string): KeyObject | null {
  let found: KeyObject | null = null;
  for (const { keys } of Object.values(policy.publishers)) {
    for (const { publicKey } of keys) {
      const key = parsePublisherKey(publicKey);
      if (keyIdOf(key) === keyId) found = key;
    }
  }
  return found;
}
