import { createHmac } from "node:crypto";

/** RFC 6238 with the values that every app knows: SHA-1, six digits, 30 s. */
const STEP_MS = 30_000;
const DIGITS = 6;
export const TOTP_SECRET_BYTES = 20;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export function codeAt(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const offset = (mac.at(-1) ?? 0) & 0xf;
  const number = (mac.readUInt32BE(offset) & 0x7fff_ffff) % 10 ** DIGITS;
  return String(number).padStart(DIGITS, "0");
}

export function stepAt(now: Date): number {
  return Math.floor(now.getTime() / STEP_MS);
}

/**
 * The time step of a right code: of now, or of one step before or after, since clocks differ.
 *
 * @param after steps up to this one do not count any more; null when none was used
 * @returns null for a wrong code
 */
export function findStep(
  secret: Buffer,
  code: string,
  { now, after }: { now: Date; after: number | null },
): number | null {
  const current = stepAt(now);
  let found: number | null = null;
  // All three are computed, so that the time tells nothing.
  for (const step of [current - 1, current, current + 1]) {
    if (codeAt(secret, step) === code && (after === null || step > after)) found = step;
  }
  return found;
}

/** The form in which people type a secret into an app. RFC 4648 without padding. */
export function toBase32(bytes: Buffer): string {
  let bits = "";
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => BASE32[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}

/** The address that an app reads from the picture. @param host of the hub, which the app shows */
export function totpAddress(secret: Buffer, host: string): string {
  return `otpauth://totp/Sonde:${encodeURIComponent(host)}?secret=${toBase32(secret)}&issuer=Sonde`;
}
