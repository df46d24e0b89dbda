import { readFile } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { parseExchangedToken } from "@sonde/schemas/registry";
import { readIdentityToken } from "./read-identity-token.ts";
import { requestRegistry } from "./registry-request.ts";

export type TokenWish = {
  registry: string;
  pack: string;
  tokenFile: string | undefined;
  /** True: use the CI's identity and nothing else. */
  trusted: boolean;
};

/**
 * A token that may publish: from a file, from `SONDE_PUBLISH_TOKEN`, or exchanged for the identity
 * token of the CI job that runs this. Never from an argument, which other users can see.
 *
 * @throws SondeError UNAUTHENTICATED without any of these, or the registry's own refusal
 */
export async function obtainToken(
  wish: TokenWish,
  env: ReadonlyMap<string, string | undefined>,
): Promise<string> {
  const { registry, pack, tokenFile, trusted } = wish;
  const given = trusted ? null : await readToken(tokenFile, env);
  if (given !== null) return given;
  // The audience is the configured address, so a registry cannot obtain a token for another
  // service.
  const identityToken = await readIdentityToken(
    { file: undefined, variable: "SONDE_ID_TOKEN", audience: registry },
    env,
  );
  if (identityToken === null) {
    throw new SondeError(
      "UNAUTHENTICATED",
      trusted
        ? "expected the identity token of a CI, got none"
        : "expected a token in SONDE_PUBLISH_TOKEN or --token-file, or the identity of a CI, got none; the registry's operator makes one with sonde registry publisher add " +
            pack.split("/")[0],
    );
  }
  const answer = await requestRegistry(registry, "/trusted-publishing/token", {
    method: "POST",
    json: { pack, identityToken },
  });
  return parseExchangedToken(answer).token;
}

/**
 * The token that a person or a job was given, from a file or `SONDE_PUBLISH_TOKEN`.
 *
 * @returns null when there is none
 */
export async function readToken(
  tokenFile: string | undefined,
  env: ReadonlyMap<string, string | undefined>,
): Promise<string | null> {
  const fromEnv = env.get("SONDE_PUBLISH_TOKEN") ?? null;
  const text = tokenFile === undefined ? fromEnv : await readFile(tokenFile, "utf8");
  if (text === null) return null;
  const token = text.trim();
  if (/^[\x21-\x7e]{1,500}$/.test(token)) return token;
  throw new SondeError(
    "UNAUTHENTICATED",
    "expected a token in SONDE_PUBLISH_TOKEN or --token-file, got none that fits; the registry's operator makes one with sonde registry publisher add",
  );
}
