import type { KeySet, KeyUse } from "@sonde/schemas/wire";

const DAY_MS = 24 * 3_600_000;
/** An agent refuses a set that has expired. A hub that runs renews its set long before. */
const LIFETIME_MS = 90 * DAY_MS;
const RENEW_BEFORE_MS = 60 * DAY_MS;

type Now = { now: Date; epoch: number };
type Keys = Pick<KeySet, "commandKeys" | "auditKeys">;
const MEMBERS = { command: "commandKeys", audit: "auditKeys" } as const;

/**
 * The first set of a hub.
 *
 * @param publicKeys in PEM; the command key is the one that its agents have pinned so far
 */
export function buildFirstSet(
  hubId: string,
  publicKeys: Record<KeyUse, string>,
  since: Date,
  { now, epoch }: Now,
): KeySet {
  const first = (publicKey: string) => [{ publicKey, since: since.toISOString(), until: null }];
  return {
    ...{ hubId, epoch, version: 1, expiresAt: expiryFrom(now) },
    commandKeys: first(publicKeys.command),
    auditKeys: first(publicKeys.audit),
  };
}

/**
 * The set that follows from the present one by the passing of time, or by a restore: without keys
 * whose overlap is over, with a later end, of a higher epoch. Null while nothing changes.
 */
export function planKeySet(set: KeySet, { now, epoch }: Now): KeySet | null {
  const lasts = ({ until }: { until: string | null }) =>
    until === null || Date.parse(until) > now.getTime();
  const { commandKeys, auditKeys = [] } = set;
  const isDue = Date.parse(set.expiresAt) - now.getTime() < RENEW_BEFORE_MS;
  const isSame = [...commandKeys, ...auditKeys].every(lasts) && epoch <= set.epoch && !isDue;
  if (isSame) return null;
  const left = auditKeys.filter(lasts);
  const keys = {
    commandKeys: commandKeys.filter(lasts),
    ...(left.length > 0 && { auditKeys: left }),
  };
  return follow(set, keys, { now, epoch });
}

/**
 * The set in which a new key of that use signs. The present one stays until its overlap is over. One
 * from an earlier rotation goes.
 */
export function rotateKeySet(
  set: KeySet,
  { use, publicKey }: { use: KeyUse; publicKey: string },
  overlapMs: number,
  { now, epoch }: Now,
): KeySet {
  const until = new Date(now.getTime() + overlapMs).toISOString();
  const before = (set[MEMBERS[use]] ?? []).slice(0, 1).map((key) => ({ ...key, until }));
  const keys = [
    { publicKey, since: now.toISOString(), until: null },
    ...(overlapMs > 0 ? before : []),
  ];
  return follow(set, { ...set, [MEMBERS[use]]: keys }, { now, epoch });
}

function follow(set: KeySet, keys: Keys, { now, epoch }: Now): KeySet {
  return {
    ...{ ...set, ...keys, version: set.version + 1, expiresAt: expiryFrom(now) },
    epoch: Math.max(epoch, set.epoch),
  };
}

function expiryFrom(now: Date): string {
  return new Date(now.getTime() + LIFETIME_MS).toISOString();
}
