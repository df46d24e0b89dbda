import { SondeError } from "@sonde/schemas/errors";
import { parseTrustedIdentity, type TrustedIdentity } from "@sonde/schemas/trust";

/** Options by which `sonde trust add` and `sonde registry publisher add` name a signer. */
export type SignerOptions = {
  key?: string;
  issuer?: string;
  identity?: string;
  repositoryId?: string;
};

/**
 * @returns the exact identity, or null when a key was named instead
 * @throws SondeError BAD_REQUEST for a key and an identity together, for neither, or for half an
 *   identity
 */
export function readIdentity(options: SignerOptions): TrustedIdentity | null {
  const { key, issuer, identity, repositoryId } = options;
  const wantsIdentity =
    issuer !== undefined || identity !== undefined || repositoryId !== undefined;
  if (key !== undefined && !wantsIdentity) return null;
  if (key !== undefined || issuer === undefined || identity === undefined) {
    throw new SondeError("BAD_REQUEST", "expected --key FILE, or --issuer URL and --identity NAME");
  }
  return parseTrustedIdentity({
    issuer,
    identity,
    ...(repositoryId !== undefined && { repositoryId }),
  });
}
