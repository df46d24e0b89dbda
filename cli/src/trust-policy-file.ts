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

/** Hub and agent read it anew for every archive they verify, so it counts from now on. */
export function writeTrustPolicy(path: string, policy: TrustPolicy): void {
  writeAtomically(path, `${JSON.stringify(parseTrustPolicy(policy), null, 2)}\n`);
}

/**
 * Has this host get its packs from the registry that was started beside it, at
 * the address that it has now. The log's key is believed once and pinned; a host
 * that pins another log's has been aimed elsewhere by its administrator, and stays so.
 */
export function aimAtOwnRegistry(
  known: TrustPolicy | null,
  own: Pick<TrustPolicy, "registry" | "logKey">,
): TrustPolicy {
  if (known === null) return { ...own, publishers: {}, allowUnsignedPacks: false };
  return known.logKey === own.logKey ? { ...known, registry: own.registry } : known;
}

/** Lets a key sign for a publisher beside the keys that may already. */
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

/** Lets an exact identity sign for a publisher beside the signers that may already. */
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
