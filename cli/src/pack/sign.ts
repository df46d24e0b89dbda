import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { signArchive } from "@sonde/pack-sdk/sign";
import { SondeError } from "@sonde/schemas";
import { archiveDigest } from "@sonde/trust/archive";
import { keyIdOf } from "@sonde/trust/pack";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";

/** The bundle that belongs to an archive lies beside it under this name. */
export const bundleFileOf = (archive: string): string => `${archive}.sigstore.json`;

export const addSign: AddCommand = (program, report, env) => {
  startCommand(program, "sign <archive>", "sign an archive with the publisher's RSA key")
    .option(
      "--key <file>",
      "private key in PEM; else SONDE_PACK_KEY holds the PEM or a file's name",
    )
    .addHelpText("after", "\nWrites the Sigstore bundle to ARCHIVE.sigstore.json.")
    .action((file: string, { key }: { key?: string }, command) =>
      report(command, async () => {
        const archive = await readFile(file);
        const signingKey = await readSigningKey(key, env.get("SONDE_PACK_KEY"));
        await writeFile(bundleFileOf(file), signArchive(archive, signingKey));
        const keyId = keyIdOf(createPublicKey(signingKey));
        const digest = archiveDigest(archive);
        return {
          data: { bundleFile: bundleFileOf(file), digest, keyId },
          text:
            `Signed ${digest}\n  with key ${keyId}\n  bundle ${bundleFileOf(file)}\n` +
            `  next: sonde-pack publish ${file} --registry URL`,
        };
      }),
    );
};

async function readSigningKey(
  option: string | undefined,
  fromEnv: string | undefined,
): Promise<KeyObject> {
  if (option === undefined && fromEnv?.startsWith("-----BEGIN"))
    return parseKey(fromEnv, "SONDE_PACK_KEY");
  const file = option ?? fromEnv;
  if (file === undefined || file === "") {
    throw new SondeError("BAD_REQUEST", "expected --key FILE or SONDE_PACK_KEY, got neither");
  }
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
    // OpenSSL's own message may quote the key; none of it is kept.
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
