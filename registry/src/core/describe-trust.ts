import type { Signer, TrustedSigners } from "@sonde/schemas/trust";
import { parsePublisherKey } from "@sonde/trust/pack";

/**
 * Builds the publisher's member of a host's trust.json that trusts exactly this signer.
 *
 * @param publicKey PEM of the signer's key; null when it is not known
 * @returns null when there is nothing that a host could trust by
 */
export function describeTrust(signer: Signer, publicKey: string | null): TrustedSigners | null {
  switch (signer.kind) {
    case "rsa-sha256": {
      if (publicKey === null) return null;
      const spki = parsePublisherKey(publicKey).export({ type: "spki", format: "pem" });
      return {
        keys: [{ algorithm: "rsa-sha256", publicKey: spki.toString() }],
        identities: [],
      };
    }
    case "keyless": {
      const { issuer, identity, repositoryId } = signer;
      const named = repositoryId === null ? {} : { repositoryId };
      return { keys: [], identities: [{ issuer, identity, ...named }] };
    }
    case "none":
      return null;
  }
}
