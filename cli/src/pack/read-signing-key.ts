import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Reads a publisher's private key from a file that only its owner can read, or from text that is a
 * PEM or such a file's name.
 *
 * @throws SondeError CONFIG_INVALID for anything but an RSA key of 2048 to 4096 bits
 */
export async function readSigningKey(
  option: string | undefined,
  fromEnv: string | undefined,
): Promise<KeyObject> {
  if (option === undefined && fromEnv?.startsWith("-----BEGIN"))
    return parseKey(fromEnv, "SONDE_PACK_KEY");
  const file = option ?? fromEnv ?? "";
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${file}: expected a key that only its owner can read (chmod 600), got mode ${(mode & 0o777).toString(8)}`,
    );
  }
  return parseKey(await readFile(file, "utf8"), file);
}

function parseKey(pem: string, where: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // OpenSSL's message may quote the key, so it is dropped.
    throw new SondeError(
      "CONFIG_INVALID",
      `${where}: expected a private key in PEM without a passphrase`,
    );
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== "rsa" || bits < 2048 || bits > 4096) {
    throw new SondeError(
      "CONFIG_INVALID",
      `${where}: expected an RSA key of 2048 to 4096 bits, got ${key.asymmetricKeyType} ${bits}`,
    );
  }
  return key;
}
