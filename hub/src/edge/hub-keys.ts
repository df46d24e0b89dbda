import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { createAuthority, type KeyedCertificate } from "@sonde/trust/ca";
import { createSigner, type Signer } from "@sonde/trust/envelope";

/** What makes a hub this hub. The CA key and the command key are different keys (identity rule 10). */
export type HubKeys = {
  hubId: string;
  authority: KeyedCertificate;
  signer: Signer;
  /** SubjectPublicKeyInfo in PEM of the command key, given to agents at enrolment. */
  publicKey: string;
};

/** Reads the hub's keys, making them on the very first start; files are 0600 in a 0700 folder. */
export async function openHubKeys(dataDir: string, now: Date): Promise<HubKeys> {
  const folder = join(dataDir, "keys");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (name: string) => join(folder, name);
  // The CA certificate is written last: a start that was cut off before begins again.
  if (!existsSync(path("ca.pem"))) {
    const hubId = randomUUID();
    const authority = await createAuthority(hubId, now);
    const command = generateKeyPairSync("ed25519").privateKey;
    writePrivateFile(path("hub-id"), hubId);
    writePrivateFile(
      path("command-key.pem"),
      command.export({ type: "pkcs8", format: "pem" }).toString(),
    );
    writePrivateFile(path("ca-key.pem"), authority.privateKey);
    writePrivateFile(path("ca.pem"), authority.certificate);
  }
  const read = (name: string) => readFileSync(path(name), "utf8");
  const privateKey = createPrivateKey(read("command-key.pem"));
  const publicKey = createPublicKey(privateKey);
  return {
    hubId: read("hub-id").trim(),
    authority: { certificate: read("ca.pem"), privateKey: read("ca-key.pem") },
    signer: createSigner(privateKey, publicKey),
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

/** Durable and never seen half written: a temporary file, synced, then renamed. */
export function writePrivateFile(path: string, text: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
