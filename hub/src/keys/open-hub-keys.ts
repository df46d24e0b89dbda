import { createHash, createPrivateKey, hkdfSync, randomUUID, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openKeptCertificate, type Report, writePrivateFile } from "@sonde/service";
import type { Authority, KeyedCertificate } from "@sonde/trust/ca";
import type { KeyAlgorithm } from "@sonde/schemas/wire";
import { createKeyPair } from "@sonde/trust/envelope";
import { openSigningKeys, type SigningKeys } from "./signing-keys.ts";
import { openWitnessKey, type WitnessKey } from "./witness-key.ts";

/** A hub's identity. CA, TLS, command and audit keys are four keys (identity rule 10). */
export type HubKeys = {
  hubId: string;
  /** The CA's certificate in PEM. */
  authority: string;
  /** SHA-256 of the CA certificate's DER, 64 hex digits. Enrolment tokens pin it. */
  fingerprint: string;
  signing: SigningKeys;
  /** Certificate of the agents' listeners, and of the public one without an operator's own. */
  server: KeyedCertificate;
  /** Loads the X.509 library and the CA key once. */
  openAuthority: () => Promise<Authority>;
  /** The key that cosigns checkpoints of other logs. It is made at the first use. */
  openWitness: () => Promise<WitnessKey>;
  /**
   * A secret of 32 bytes for one purpose, the same on all hubs with these keys. It is derived from
   * the CA's key, which stays for the hub's life and is in its backups.
   */
  deriveSecret: (purpose: string) => Buffer;
};

export type HubKeysOptions = {
  folder: string;
  /** DNS names and addresses by which agents reach this hub. */
  names: string[];
  /** Of the command and audit keys that are made. */
  keyAlgorithm: KeyAlgorithm;
  now: () => Date;
  report: Report;
};

/** Reads the hub's keys and creates them at the first start. Files are 0600 in a 0700 folder. */
export async function openHubKeys(options: HubKeysOptions): Promise<HubKeys> {
  const { folder, names, keyAlgorithm, now, report } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await createMissingKeys(folder, keyAlgorithm, now());
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const authority = read("ca.pem");
  const hubId = read("hub-id").trim();
  let opened: Promise<Authority> | null = null;
  let witness: Promise<WitnessKey> | null = null;
  const openAuthority = () => {
    const files = { certificate: authority, privateKey: read("ca-key.pem") };
    opened ??= import("@sonde/trust/ca").then((ca) => ca.openAuthority(files, now));
    return opened;
  };
  return {
    hubId,
    authority,
    fingerprint: createHash("sha256").update(new X509Certificate(authority).raw).digest("hex"),
    signing: await openSigningKeys({
      ...{ folder, hubId, authority, openAuthority, keyAlgorithm, now, report },
    }),
    server: await openKeptCertificate(join(folder, "server.json"), names, now(), async () =>
      (await openAuthority()).issueServerCertificate(names),
    ),
    openAuthority,
    openWitness() {
      witness ??= openWitnessKey(folder, hubId).catch((thrown: unknown) => {
        witness = null;
        throw thrown;
      });
      return witness;
    },
    deriveSecret(purpose) {
      const key = createPrivateKey(read("ca-key.pem")).export({ type: "pkcs8", format: "der" });
      return Buffer.from(hkdfSync("sha256", key, hubId, purpose, 32));
    },
  };
}

async function createMissingKeys(
  folder: string,
  keyAlgorithm: KeyAlgorithm,
  now: Date,
): Promise<void> {
  const path = (name: string) => join(folder, name);
  // The CA certificate is written last, so an interrupted first start is repeated whole.
  if (existsSync(path("ca.pem"))) return;
  const { createAuthority } = await import("@sonde/trust/ca");
  const hubId = randomUUID();
  const authority = await createAuthority(`Sonde hub ${hubId}`, now);
  const command = createKeyPair(keyAlgorithm).privateKey;
  writePrivateFile(path("hub-id"), hubId);
  writePrivateFile(
    path("command-key.pem"),
    command.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  writePrivateFile(path("ca-key.pem"), authority.privateKey);
  writePrivateFile(path("ca.pem"), authority.certificate);
}
