import { Decrypter, Encrypter } from "age-encryption";
import { SondeError } from "@sonde/schemas/errors";

/** How a backup is encrypted: by a pass phrase, or to public keys of age (`age1...`). */
export type Seal = { passphrase: string } | { recipients: string[] };
/** How it is opened: by the pass phrase, or by secret keys of age (`AGE-SECRET-KEY-1...`). */
export type Unseal = { passphrase: string } | { identities: string[] };

/** Encrypts as a stream, in the format of age (age-encryption.org/v1), which other tools read too. */
export async function sealStream(
  bytes: AsyncIterable<Uint8Array>,
  seal: Seal,
): Promise<ReadableStream<Uint8Array>> {
  const encrypter = new Encrypter();
  if ("passphrase" in seal) encrypter.setPassphrase(seal.passphrase);
  else {
    for (const recipient of seal.recipients) {
      try {
        encrypter.addRecipient(recipient);
      } catch (cause) {
        throw new SondeError("BAD_REQUEST", "expected a public key of age, age1...", { cause });
      }
    }
  }
  return await encrypter.encrypt(ReadableStream.from<Uint8Array>(bytes));
}

/**
 * Decrypts as a stream. Each piece is verified before it is returned, and the end as well.
 *
 * @throws SondeError BACKUP_INVALID, also while it is read
 */
export async function* unsealStream(
  bytes: ReadableStream<Uint8Array>,
  unseal: Unseal,
): AsyncGenerator<Uint8Array> {
  const decrypter = new Decrypter();
  try {
    if ("passphrase" in unseal) decrypter.addPassphrase(unseal.passphrase);
    else for (const identity of unseal.identities) decrypter.addIdentity(identity);
    yield* await decrypter.decrypt(bytes);
  } catch (cause) {
    throw new SondeError(
      "BACKUP_INVALID",
      "expected a whole backup and the pass phrase or key that it was made with",
      { cause },
    );
  }
}
