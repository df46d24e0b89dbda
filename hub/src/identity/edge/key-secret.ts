import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";

/** 256 bits in base64url. */
const RANDOM = 43;
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 62 to the sixth is more than 32 bits. */
const CHECKSUM = 6;

/**
 * Makes the secret of an API key: prefix, 256 random bits, and the CRC-32 of both in base 62. So a
 * scanner for secrets knows one from a text that only looks like it, and the hub a mistyped one.
 */
export function createKeySecret(): string {
  const stem = `${API_KEY_PREFIX}${randomBytes(32).toString("base64url")}`;
  return `${stem}${checksum(stem)}`;
}

/**
 * True for what may be the secret of a key. Keys of earlier releases have no checksum. Anybody can
 * compute one: it proves nothing, and only saves the look-up.
 */
export function mayBeKey(secret: string): boolean {
  if (!secret.startsWith(API_KEY_PREFIX)) return false;
  const end = API_KEY_PREFIX.length + RANDOM;
  if (secret.length === end) return true;
  return secret.length === end + CHECKSUM && secret.slice(end) === checksum(secret.slice(0, end));
}

function checksum(stem: string): string {
  let left = crc32(stem);
  let digits = "";
  while (digits.length < CHECKSUM) {
    digits = `${DIGITS[left % DIGITS.length] ?? ""}${digits}`;
    left = Math.floor(left / DIGITS.length);
  }
  return digits;
}
