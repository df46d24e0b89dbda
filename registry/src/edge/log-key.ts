import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { writePrivateFile } from "@sonde/service";
import { createSigningKey, type SigningKey } from "@sonde/trust/envelope";
import type { NoteKey } from "@sonde/trust/log";

/** The key that signs the log's heads, and its name. */
export type LogKey = { key: NoteKey; signer: SigningKey };

/**
 * Opens `log.key` in the data folder and creates it at the first start: Ed25519, readable by the
 * registry's user only. The name is the configured one, or is made from the key so that two
 * registries never share a name by accident.
 *
 * @throws SondeError RIGHT_MISSING or CONFIG_INVALID
 */
export function openLogKey(dataDir: string, name: string | undefined): LogKey {
  const path = join(dataDir, "log.key");
  if (!existsSync(path)) writeNewKey(path);
  const privateKey = readKey(path);
  const publicKey = createPublicKey(privateKey);
  const spki = publicKey.export({ format: "der", type: "spki" });
  const fingerprint = createHash("sha256").update(spki).digest("hex");
  return {
    key: { name: name ?? `sonde.registry/${fingerprint.slice(0, 16)}`, publicKey },
    signer: createSigningKey(privateKey, publicKey),
  };
}

/** Writes the key atomically and durably: a signed log is lost without its key. */
function writeNewKey(path: string): void {
  const { privateKey } = generateKeyPairSync("ed25519");
  writePrivateFile(path, privateKey.export({ format: "pem", type: "pkcs8" }).toString());
}

function readKey(path: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(path));
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (cause) {
    throw new SondeError("CONFIG_INVALID", `${path}: expected a readable private key`, { cause });
  }
  throw new SondeError("CONFIG_INVALID", `${path}: expected an Ed25519 key, got another kind`);
}
