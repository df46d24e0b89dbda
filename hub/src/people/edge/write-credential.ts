import { SondeError } from "@sonde/schemas/errors";
import type { TransactionSql } from "postgres";
import { hashSecret } from "../../directory/index.ts";

/** A password with its second factor. */
export type PasswordCredential = {
  passwordHash: string;
  totpSealed: string;
  /** The step of the code that was shown at the set-up. It counts no more. */
  totpStep: number;
  recoveryCodes: string[];
};

export type NewPasskey = {
  id: string;
  /** What the person calls it. */
  name: string | null;
  publicKey: Buffer;
  counter: number;
  transports: string[];
  host: string;
};

/** Sets or replaces a password, its second factor and its recovery codes. */
export async function setPassword(
  tx: TransactionSql,
  id: string,
  { passwordHash, totpSealed, totpStep, recoveryCodes }: PasswordCredential,
): Promise<void> {
  await tx`update people set password_hash = ${passwordHash}, totp_sealed = ${totpSealed},
    totp_step = ${totpStep} where id = ${id}`;
  await tx`delete from recovery_codes where person_id = ${id}`;
  for (const code of recoveryCodes) {
    await tx`insert into recovery_codes (code_sha256, person_id)
      values (${hashSecret(code)}, ${id})`;
  }
}

/** @throws SondeError BAD_REQUEST when the passkey is of somebody already */
export async function insertPasskey(
  tx: TransactionSql,
  personId: string,
  { id, name, publicKey, counter, transports, host }: NewPasskey,
  at: Date,
): Promise<void> {
  const made = await tx`insert into passkeys
    (id, person_id, name, public_key, counter, transports, host, created_at)
    values (${id}, ${personId}, ${name}, ${publicKey}, ${counter}, ${transports}, ${host}, ${at})
    on conflict do nothing returning 1`;
  if (made.length === 0) throw new SondeError("BAD_REQUEST", "expected a passkey of nobody yet");
}
