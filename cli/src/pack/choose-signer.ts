import { createPublicKey } from "node:crypto";
import { signKeyless, signStatement, type Statement } from "@sonde/pack-sdk/sign";
import { SondeError } from "@sonde/schemas/errors";
import { keyIdOf } from "@sonde/trust/pack";
import type { Command } from "commander";
import { readIdentityToken } from "./read-identity-token.ts";
import { readSigningKey } from "./read-signing-key.ts";
import { readSigningServices, type ServiceOptions } from "./read-signing-services.ts";

export type SigningOptions = ServiceOptions & { key?: string; identityTokenFile?: string };

/** The Sigstore bundle in JSON, who signed, and the same in words. */
export type Signed = { bundle: string; by: { keyId: string } | { identity: string }; how: string };

/** Holds the key in PEM or a file's name, where no option names it. */
export const KEY_VARIABLE = "SONDE_PACK_KEY";

/** Adds the options by which a person says how to sign. */
export function addSigningOptions(command: Command): Command {
  return command
    .option(
      "--key <file>",
      `private RSA key in PEM; by default ${KEY_VARIABLE}, which holds the PEM or a file's name`,
    )
    .option(
      "--identity-token-file <file>",
      "sign keyless, with the identity in this OIDC token; not needed in CI",
    )
    .option("--signing-config <file>", "the keyless services, as Sigstore's signing config")
    .option("--fulcio <url>", "the certificate authority's address")
    .option("--rekor <url>", "the transparency log")
    .option("--rekor-version <n>", "the version of the log's interface, 1 or 2; by default 2")
    .option("--timestamp <url>", "the timestamp authority");
}

/**
 * Signs a statement as the options and the environment say: with a key, or else keyless.
 *
 * @throws SondeError BAD_REQUEST, CONFIG_INVALID, UNAUTHENTICATED, SIGNING_FAILED
 */
export async function signAsAsked(
  statement: Statement,
  options: SigningOptions,
  env: ReadonlyMap<string, string | undefined>,
): Promise<Signed> {
  const keyInEnv = env.get(KEY_VARIABLE);
  const { key, identityTokenFile } = options;
  if (key !== undefined && identityTokenFile !== undefined) {
    throw new SondeError("BAD_REQUEST", "expected --key or --identity-token-file, got both");
  }
  if (identityTokenFile === undefined && (key ?? keyInEnv ?? "") !== "") {
    const read = await readSigningKey(key, keyInEnv);
    const keyId = keyIdOf(createPublicKey(read));
    return { bundle: signStatement(statement, read), by: { keyId }, how: `with key ${keyId}` };
  }
  const token = await readIdentityToken(
    { file: identityTokenFile, variable: "SIGSTORE_ID_TOKEN", audience: "sigstore" },
    env,
  );
  if (token !== null) {
    const { bundle, identity } = await signKeyless(
      statement,
      token,
      await readSigningServices(options),
    );
    return { bundle, by: { identity }, how: `as ${identity}` };
  }
  throw new SondeError(
    "BAD_REQUEST",
    `expected a key (--key FILE or ${KEY_VARIABLE}) or an identity token (--identity-token-file FILE, or a CI job that may have one), got neither`,
  );
}
