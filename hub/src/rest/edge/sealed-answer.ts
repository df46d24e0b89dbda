import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** What was answered: the status is stored beside it. */
export type Answer = { type: string; text: string };

/**
 * Seals an answer, so that only who sends the same credential reads it: an answer may have a new
 * key. The database has no credential, only hashes.
 *
 * @param bound what the answer is of; it opens with no other
 */
export function sealAnswer(answer: Answer, credential: string, bound: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", deriveKey(credential, bound), iv);
  const sealed = [cipher.update(JSON.stringify(answer), "utf8"), cipher.final()];
  return Buffer.concat([iv, cipher.getAuthTag(), ...sealed]);
}

/** @returns null when it was sealed with another credential */
export function openAnswer(sealed: Buffer, credential: string, bound: string): Answer | null {
  const iv = sealed.subarray(0, IV_BYTES);
  const tag = sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", deriveKey(credential, bound), iv, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(tag);
  const text = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
  try {
    return JSON.parse(Buffer.concat([text, decipher.final()]).toString("utf8")) as Answer;
  } catch {
    // The tag does not fit: another credential.
    return null;
  }
}

function deriveKey(credential: string, bound: string): Buffer {
  return Buffer.from(hkdfSync("sha256", credential, bound, "sonde idempotent answer", 32));
}
