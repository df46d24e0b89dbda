import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustPolicy, type TrustedIdentity, type TrustPolicy } from "@sonde/schemas/trust";
import { keyIdOf, parsePublisherKey } from "@sonde/trust/pack";
import { writeAtomically } from "./write-atomically.ts";

/** @returns this host's trust.json, or null before the first start */
export function readTrustPolicy(path: string): TrustPolicy | null {
  if (!existsSync(path)) return null;
  return parseTrustPolicy(parseJson(readFileSync(path), path, "CONFIG_INVALID"));
}

/**
 * Hub and agent read the file again for every archive that they verify, so a change counts at once.
 */
export function writeTrustPolicy(path: string, policy: TrustPolicy): void {
  writeAtomically(path, `${JSON.stringify(parseTrustPolicy(policy), null, 2)}\n`);
}

/**
 * Points this host at the registry that was started beside it, at its present address. The log's
 * key is trusted on first use and pinned. A host that pins another log's key was configured so by
 * its administrator and is left unchanged.
 */
export function aimAtOwnRegistry(
  known: TrustPolicy | null,
  own: Pick<TrustPolicy, "registry" | "logKey">,
): TrustPolicy {
  if (known === null) return { ...own, publishers: {}, allowUnsignedPacks: false };
  return known.logKey === own.logKey ? { ...known, registry: own.registry } : known;
}

/** Lets one more key sign for a publisher. */
export function addTrustedKey(
  policy: TrustPolicy,
  publisher: string,
  publicKey: string,
): TrustPolicy {
  const keyId = readKeyId(publicKey);
  const known = policy.publishers[publisher] ?? { keys: [], identities: [] };
  if (known.keys.some((key) => readKeyId(key.publicKey) === keyId)) return policy;
  const keys = [...known.keys, { algorithm: "rsa-sha256" as const, publicKey }];
  return { ...policy, publishers: { ...policy.publishers, [publisher]: { ...known, keys } } };
}

/** Lets one more exact identity sign for a publisher. */
export function addTrustedIdentity(
  policy: TrustPolicy,
  publisher: string,
  identity: TrustedIdentity,
): TrustPolicy {
  const known = policy.publishers[publisher] ?? { keys: [], identities: [] };
  if (known.identities.some((listed) => isDeepStrictEqual(listed, identity))) return policy;
  const identities = [...known.identities, identity];
  return { ...policy, publishers: { ...policy.publishers, [publisher]: { ...known, identities } } };
}

/**
 * @returns the fingerprint that `sonde agent explain` shows for this key
 * @throws SondeError BAD_REQUEST for anything but an RSA public key in PEM
 */
export function readKeyId(publicKey: string): string {
  try {
    return keyIdOf(parsePublisherKey(publicKey));
  } catch (cause) {
    if (!(cause instanceof SondeError)) throw cause;
    throw new SondeError("BAD_REQUEST", cause.message, { cause });
  }
}
