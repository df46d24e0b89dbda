import { createPrivateKey, createPublicKey } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { writePrivateFile } from "@sonde/service";
import { createKeyPair, createSigningKey, type SigningKey } from "@sonde/trust/envelope";
import type { NoteKey } from "@sonde/trust/log";
import { lockKeys } from "./signing-keys.ts";

/** The key by which this hub cosigns checkpoints of other logs. */
export type WitnessKey = { key: NoteKey; signer: SigningKey; since: Date };

/**
 * Opens the witness key, and makes it at the first use. It is Ed25519 whatever the hub's other keys are,
 * and signs nothing else: a cosignature does not name its key's other uses. Hubs of one database share
 * the folder, and so the key.
 */
export async function openWitnessKey(folder: string, hubId: string): Promise<WitnessKey> {
  const path = join(folder, "witness-key.pem");
  const release = await lockKeys(folder);
  try {
    if (!existsSync(path)) {
      const { privateKey } = createKeyPair("ed25519");
      writePrivateFile(path, privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    }
  } finally {
    release();
  }
  const privateKey = createPrivateKey(readFileSync(path));
  const publicKey = createPublicKey(privateKey);
  return {
    key: { name: `sonde.hub/${hubId}/witness`, publicKey },
    signer: createSigningKey(privateKey, publicKey),
    since: statSync(path).mtime,
  };
}
