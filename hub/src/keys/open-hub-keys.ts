import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  X509Certificate,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivateFile } from "@sonde/service";
import type { Authority, KeyedCertificate } from "@sonde/trust/ca";
import { createSigningKey, type SigningKey } from "@sonde/trust/envelope";

/** A hub's identity. The CA key and the command key are different keys (identity rule 10). */
export type HubKeys = {
  hubId: string;
  /** The CA's certificate in PEM. */
  authority: string;
  /** SHA-256 of the CA certificate's DER, 64 hex digits. Enrolment tokens pin it. */
  fingerprint: string;
  signer: SigningKey;
  /** The command key's SubjectPublicKeyInfo in PEM. Agents receive it at enrolment. */
  publicKey: string;
  /** Certificate of the agents' listeners. */
  server: KeyedCertificate;
  /** Loads the X.509 library and the CA key once. */
  openAuthority: () => Promise<Authority>;
};

/** A server certificate is replaced when less than this remains of its lifetime. */
const RENEW_BEFORE_MS = 30 * 24 * 3_600_000;

/**
 * Reads the hub's keys and creates them at the first start. Files are 0600 in a 0700 folder.
 *
 * @param names DNS names and addresses by which agents reach this hub
 */
export async function openHubKeys(
  folder: string,
  names: string[],
  now: () => Date,
): Promise<HubKeys> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await createMissingKeys(folder, now());
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const authority = read("ca.pem");
  const privateKey = createPrivateKey(read("command-key.pem"));
  const publicKey = createPublicKey(privateKey);
  let opened: Promise<Authority> | null = null;
  const openAuthority = () => {
    const files = { certificate: authority, privateKey: read("ca-key.pem") };
    opened ??= import("@sonde/trust/ca").then((ca) => ca.openAuthority(files, now));
    return opened;
  };
  return {
    hubId: read("hub-id").trim(),
    authority,
    fingerprint: createHash("sha256").update(new X509Certificate(authority).raw).digest("hex"),
    signer: createSigningKey(privateKey, publicKey),
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    server: await openServerCertificate(folder, names, now(), openAuthority),
    openAuthority,
  };
}

async function createMissingKeys(folder: string, now: Date): Promise<void> {
  const path = (name: string) => join(folder, name);
  // The CA certificate is written last, so an interrupted first start is repeated whole.
  if (existsSync(path("ca.pem"))) return;
  const { createAuthority } = await import("@sonde/trust/ca");
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

/**
 * Returns the kept certificate if it has exactly these names and enough lifetime, else a new one.
 */
async function openServerCertificate(
  folder: string,
  names: string[],
  now: Date,
  openAuthority: () => Promise<Authority>,
): Promise<KeyedCertificate> {
  const file = join(folder, "server.json");
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, "utf8")) as KeyedCertificate & { names: string[] };
    const expires = new X509Certificate(kept.certificate).validToDate.getTime();
    const lasts = expires - now.getTime() > RENEW_BEFORE_MS;
    if (lasts && kept.names.join() === names.join()) return kept;
  }
  const issued = await (await openAuthority()).issueServerCertificate(names);
  writePrivateFile(file, JSON.stringify({ ...issued, names }));
  return issued;
}
