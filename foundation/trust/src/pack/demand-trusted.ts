import { SondeError } from "@sonde/schemas/errors";
import { type Signer, type SignerPolicy, type TrustedIdentity } from "@sonde/schemas/trust";
import { keyIdOf } from "../envelope/index.ts";
import { parsePublisherKey } from "./publisher-key.ts";

// This file does not load Sigstore, so that an agent can check stored packs without it.

type Keyless = Extract<Signer, { kind: "keyless" }>;

/**
 * Checks that the present policy lets this signer sign for its publisher. A key counts
 * only among the publisher's keys, an identity only among its identities. Strings are
 * compared whole.
 *
 * @throws SondeError SIGNER_UNTRUSTED, SIGNATURE_MISSING for an unsigned pack where none
 *   is allowed, CONFIG_INVALID for a policy with an unusable key
 */
export function demandTrusted(policy: SignerPolicy, signer: Signer): void {
  switch (signer.kind) {
    case "rsa-sha256":
      return demandKey(policy, signer.publisher, signer.keyId);
    case "keyless":
      return demandIdentity(policy, signer);
    case "none":
      if (policy.allowUnsignedPacks) return;
      throw new SondeError("SIGNATURE_MISSING", "expected a signed pack, got one without");
  }
}

function demandKey(policy: SignerPolicy, publisher: string, keyId: string): void {
  const { keys } = listedFor(policy, publisher);
  if (keys.some(({ publicKey }) => keyIdOf(parsePublisherKey(publicKey)) === keyId)) return;
  throw new SondeError(
    "SIGNER_UNTRUSTED",
    `expected a key of publisher ${publisher}, got ${keyId}; to trust it: sonde trust add ${publisher} --key FILE`,
  );
}

function demandIdentity(policy: SignerPolicy, signer: Keyless): void {
  const { publisher, issuer, identity, repositoryId } = signer;
  if (policy.trustedRoot === undefined) throw noTrustedRoot();
  const named = listedFor(policy, publisher).identities.filter(
    (listed) => listed.issuer === issuer && listed.identity === identity,
  );
  if (named.some((listed) => (listed.repositoryId ?? null) === repositoryId)) return;
  const who = `${identity} of ${issuer}`;
  if (named.length === 0) {
    // The identity is the signer's own text, so it is no part of a command that a person may copy.
    throw new SondeError(
      "SIGNER_UNTRUSTED",
      `expected an identity of publisher ${publisher}, got ${who}; to trust it: sonde trust add ${publisher} --issuer URL --identity NAME`,
    );
  }
  throw new SondeError("SIGNER_UNTRUSTED", describeRepository(who, named, repositoryId));
}

function describeRepository(
  who: string,
  named: readonly TrustedIdentity[],
  got: string | null,
): string {
  const numbers = named.flatMap(({ repositoryId }) => repositoryId ?? []);
  if (numbers.length === 0) {
    return `${who}: expected the policy to name the repository too, got none; add repositoryId ${got} when it is the one you mean`;
  }
  return `${who}: expected repository ${numbers.join(" or ")}, got ${got ?? "a certificate that names none"}`;
}

/** Builds the error for a host without a pinned root, where no keyless signature counts. */
export function noTrustedRoot(): SondeError {
  return new SondeError(
    "SIGNER_UNTRUSTED",
    "expected a pinned trusted root to verify a keyless signature, got a policy without; to pin one: sonde trust update-root --from FILE",
  );
}

function listedFor(policy: SignerPolicy, publisher: string): SignerPolicy["publishers"][string] {
  const nothing = { keys: [], identities: [] };
  return Object.hasOwn(policy.publishers, publisher)
    ? (policy.publishers[publisher] ?? nothing)
    : nothing;
}
