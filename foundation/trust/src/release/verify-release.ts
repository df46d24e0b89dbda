import { SondeError, toSondeError } from "@sonde/schemas/errors";
import {
  type Signer,
  type SignerPolicy,
  parseReleaseStatement,
  parseSignerPolicy,
} from "@sonde/schemas/trust";
import { demandTrusted } from "../pack/demand-trusted.ts";
import { verifyBundle } from "../pack/verify-bundle.ts";
import { type MeasuredArtefact, readArtefacts } from "./release-statement.ts";

/** Whoever may sign the official packs may sign a release. */
export const RELEASE_PUBLISHER = "sonde";

/** What a signed manifest says of a release. The files themselves are not checked yet. */
export type VerifiedRelease = { version: string; signer: Signer; artefacts: MeasuredArtefact[] };

/**
 * Verifies the signed manifest of a release, offline, as the bundle of a pack is verified. Its
 * statement must be about a release: the same key also signs packs.
 *
 * @param bundleText the Sigstore bundle in JSON
 * @throws SondeError SIGNATURE_INVALID, SIGNER_UNTRUSTED or CONFIG_INVALID
 */
export function verifyRelease(bundleText: string, policy: SignerPolicy): VerifiedRelease {
  try {
    const trusted = parseSignerPolicy(policy);
    const { signature, statement } = verifyBundle(bundleText, trusted);
    const signer = { ...signature, publisher: RELEASE_PUBLISHER };
    demandTrusted(trusted, signer);
    const parsed = parseReleaseStatement(statement);
    const artefacts = readArtefacts(parsed);
    if (artefacts === null) {
      throw new SondeError(
        "SIGNATURE_INVALID",
        `release statement: expected each file once, with its digest, all of release ${parsed.predicate.version}; got others`,
      );
    }
    return { version: parsed.predicate.version, signer, artefacts };
  } catch (thrown) {
    throw toSondeError(thrown);
  }
}
