import { readFile } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  parseSignerPolicy,
  parseTrustPolicy,
  type SignerPolicy,
  type TrustPolicy,
} from "@sonde/schemas/trust";
import { parsePublisherKey } from "@sonde/trust/pack";
import type { Command } from "commander";

export type SignerOptions = {
  policy?: string;
  key?: string;
  issuer?: string;
  identity?: string;
  repositoryId?: string;
  trustedRoot?: string;
};

/** Adds the options by which a person says whose signature counts. */
export function addSignerOptions(command: Command): Command {
  return command
    .option("--policy <file>", "trust.json: who may sign for which publisher")
    .option("--key <file>", "in place of a policy: the publisher's public key in PEM")
    .option("--issuer <url>", "in place of a policy: the issuer of the signer's identity")
    .option("--identity <name>", "with --issuer: the exact identity in the certificate")
    .option("--repository-id <number>", "with --issuer: the source repository's number")
    .option("--trusted-root <file>", "with --issuer: Sigstore's trusted root to verify against");
}

/**
 * The policy in the file, or one that trusts only the signer that the caller names; null when the
 * caller asks for nobody's trust.
 *
 * @throws SondeError BAD_REQUEST, CONFIG_INVALID
 */
export async function readSignerPolicy(
  options: SignerOptions,
  publisher: string,
): Promise<SignerPolicy | null> {
  const { policy, key, issuer, identity, repositoryId, trustedRoot } = options;
  const ways = [policy, key, issuer].filter((way) => way !== undefined).length;
  if (ways === 0 && (identity ?? repositoryId ?? trustedRoot) === undefined) return null;
  if (ways !== 1) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected one of --policy FILE, --key FILE, or --issuer URL with --identity and --trusted-root",
    );
  }
  if (policy !== undefined) {
    return parseTrustPolicy(parseJson(await readFile(policy), policy, "CONFIG_INVALID"));
  }
  const alone = (signers: Partial<TrustPolicy["publishers"][string]>, more: object = {}) => ({
    publishers: { [publisher]: { keys: [], identities: [], ...signers } },
    allowUnsignedPacks: false,
    ...more,
  });
  if (key !== undefined) {
    const publicKey = await readFile(key, "utf8");
    parsePublisherKey(publicKey);
    return alone({ keys: [{ algorithm: "rsa-sha256", publicKey }] });
  }
  if (issuer === undefined || identity === undefined || trustedRoot === undefined) {
    throw new SondeError(
      "BAD_REQUEST",
      "expected --issuer, --identity and --trusted-root together",
    );
  }
  return parseSignerPolicy(
    alone(
      { identities: [{ issuer, identity, ...(repositoryId !== undefined && { repositoryId }) }] },
      { trustedRoot: parseJson(await readFile(trustedRoot), trustedRoot, "CONFIG_INVALID") },
    ),
  );
}
