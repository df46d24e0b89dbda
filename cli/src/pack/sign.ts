import { createPublicKey } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { signArchive, signKeyless } from "@sonde/pack-sdk/sign";
import { SondeError } from "@sonde/schemas/errors";
import { archiveDigest } from "@sonde/trust/archive";
import { keyIdOf } from "@sonde/trust/pack";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import type { Outcome } from "./outcome.ts";
import { readIdentityToken } from "./read-identity-token.ts";
import { readSigningKey } from "./read-signing-key.ts";
import { readSigningServices, type ServiceOptions } from "./read-signing-services.ts";

type Options = ServiceOptions & { key?: string; identityTokenFile?: string };

/** File name of an archive's bundle, which lies beside it. */
export const bundleFileOf = (archive: string): string => `${archive}.sigstore.json`;

export const addSign: AddCommand = (program, report, env) => {
  startCommand(program, "sign <archive>", "sign an archive with the publisher's key or identity")
    .option(
      "--key <file>",
      "private RSA key in PEM; by default SONDE_PACK_KEY, which holds the PEM or a file's name",
    )
    .option(
      "--identity-token-file <file>",
      "sign keyless, with the identity in this OIDC token; not needed in CI",
    )
    .option("--signing-config <file>", "the keyless services, as Sigstore's signing config")
    .option("--fulcio <url>", "the certificate authority's address")
    .option("--rekor <url>", "the transparency log")
    .option("--rekor-version <n>", "the version of the log's interface, 1 or 2; by default 2")
    .option("--timestamp <url>", "the timestamp authority")
    .addHelpText(
      "after",
      "\nWrites the Sigstore bundle to ARCHIVE.sigstore.json. With a key it signs by the key.\n" +
        "Without one it signs keyless: in GitHub with `id-token: write`, in GitLab with an id token\n" +
        "SIGSTORE_ID_TOKEN of audience sigstore, elsewhere with --identity-token-file. Unless other\n" +
        "services are named these are Sigstore's own, whose log shows the identity to everybody.",
    )
    .action((file: string, options: Options, command) =>
      report(command, async () => {
        const archive = await readFile(file);
        const keyInEnv = env.get("SONDE_PACK_KEY");
        const { key, identityTokenFile } = options;
        if (key !== undefined && identityTokenFile !== undefined) {
          throw new SondeError("BAD_REQUEST", "expected --key or --identity-token-file, got both");
        }
        const byKey = identityTokenFile === undefined && (key ?? keyInEnv ?? "") !== "";
        if (byKey) return await signByKey(file, archive, key, keyInEnv);
        const token = await readIdentityToken(
          { file: identityTokenFile, variable: "SIGSTORE_ID_TOKEN", audience: "sigstore" },
          env,
        );
        if (token !== null) return await signByIdentity(file, archive, token, options);
        throw new SondeError(
          "BAD_REQUEST",
          "expected a key (--key FILE or SONDE_PACK_KEY) or an identity token (--identity-token-file FILE, or a CI job that may have one), got neither",
        );
      }),
    );
};

async function signByKey(
  file: string,
  archive: Uint8Array,
  option: string | undefined,
  fromEnv: string | undefined,
): Promise<Outcome> {
  const key = await readSigningKey(option, fromEnv);
  await writeFile(bundleFileOf(file), signArchive(archive, key));
  const keyId = keyIdOf(createPublicKey(key));
  return describe(file, archive, { keyId }, `with key ${keyId}`);
}

async function signByIdentity(
  file: string,
  archive: Uint8Array,
  token: string,
  options: ServiceOptions,
): Promise<Outcome> {
  const services = await readSigningServices(options);
  const { bundle, identity } = await signKeyless(archive, token, services);
  await writeFile(bundleFileOf(file), bundle);
  return describe(file, archive, { identity }, `as ${identity}`);
}

function describe(file: string, archive: Uint8Array, by: object, how: string): Outcome {
  const digest = archiveDigest(archive);
  return {
    data: { bundleFile: bundleFileOf(file), digest, ...by },
    text:
      `Signed ${digest}\n  ${how}\n  bundle ${bundleFileOf(file)}\n` +
      `  next: sonde-pack publish ${file} --registry URL`,
  };
}
