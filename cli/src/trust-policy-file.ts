import { isDeepStrictEqual } from "node:util";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustPolicy, type TrustedIdentity, type TrustPolicy } from "@sonde/schemas/trust";
import { keyIdOf, parsePublisherKey } from "@sonde/trust/pack";
import { replaceFile, takeLock } from "@sonde/files";
import { readOwn } from "./read-back.ts";

/** As the agent reads it at most. */
export const MAX_POLICY_BYTES = 1024 * 1024;
/** A change takes milliseconds, also behind a hundred others. */
const LOCK_SECONDS = 30;

/** @returns this host's trust.json, or null before the first start */
export function readTrustPolicy(path: string): TrustPolicy | null {
  const text = readOwn(path, MAX_POLICY_BYTES);
  return text === null ? null : parseTrustPolicy(parseJson(text, path, "CONFIG_INVALID"));
}

/** @throws SondeError NOT_FOUND before the first start */
export function requireTrustPolicy(path: string): TrustPolicy {
  const policy = readTrustPolicy(path);
  if (policy !== null) return policy;
  throw new SondeError("NOT_FOUND", `expected a policy at ${path}; start Sonde once`);
}

/**
 * Changes the file as one of possibly many writers: each change is made to what the one before
 * left, and is durable when this returns. Hub and agent read the file again for every archive that
 * they verify, so a change counts at once.
 *
 * @throws SondeError NOT_FOUND before the first start, STARTING_FAILED when another writer keeps
 *   the file too long
 */
export function changeTrustPolicy(path: string, change: (known: TrustPolicy) => TrustPolicy): void {
  // Asked before the lock too: a folder that is no data folder gets no lock file.
  requireTrustPolicy(path);
  writeLocked(path, () => change(requireTrustPolicy(path)));
}

/** As changeTrustPolicy, for the start, which also writes the first policy. */
export function setTrustPolicy(
  path: string,
  change: (known: TrustPolicy | null) => TrustPolicy,
): void {
  writeLocked(path, () => change(readTrustPolicy(path)));
}

function writeLocked(path: string, make: () => TrustPolicy): void {
  const release = takeLock(`${path}.lock`, LOCK_SECONDS);
  if (release === null) {
    throw new SondeError(
      "STARTING_FAILED",
      `${path}: expected other changes to end within ${LOCK_SECONDS} s; nothing was changed`,
    );
  }
  try {
    const policy = parseTrustPolicy(make());
    replaceFile(path, `${JSON.stringify(policy, null, 2)}\n`);
  } finally {
    release();
  }
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
