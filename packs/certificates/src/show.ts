import { t } from "@sonde/pack-sdk/author";

const DAY_MS = 86_400_000;

/** What a certificate says of itself, with times as people write them. */
export const certificate = {
  subject: t.string(),
  issuer: t.string(),
  names: t.array(t.string()),
  notBefore: t.string(),
  notAfter: t.string(),
  daysLeft: t.number(),
  serial: t.string(),
  publicKeySha256: t.string(),
};

/** Whole days; below 0 it has ended. */
export function daysUntil(notAfter: number, now: number): number {
  return Math.floor((notAfter - now) / DAY_MS);
}

export function showTimes(
  { notBefore, notAfter }: { notBefore: number; notAfter: number },
  now: number,
) {
  return {
    notBefore: new Date(notBefore).toISOString(),
    notAfter: new Date(notAfter).toISOString(),
    daysLeft: daysUntil(notAfter, now),
  };
}
