import { readFile } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

type Env = ReadonlyMap<string, string | undefined>;

export type IdentityTokenWish = {
  file: string | undefined;
  /**
   * Environment variable in which a CI puts an identity token, such as one of GitLab's `id_tokens`.
   */
  variable: string;
  /** Audience to request from GitHub, which issues tokens for any audience. */
  audience: string;
};

const TIMEOUT_MS = 20_000;
const MAX_TOKEN_BYTES = 16 * 1024;
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * The identity token of the job or person that runs this. It comes from a file, from an environment
 * variable (such as GitLab's `id_tokens`), or from GitHub for a job with `id-token: write`. Never
 * from an argument, which other users can see.
 *
 * @returns null when none of these is available
 * @throws SondeError UNAUTHENTICATED when a named token is missing or malformed
 */
export async function readIdentityToken(
  { file, variable, audience }: IdentityTokenWish,
  env: Env,
): Promise<string | null> {
  if (file !== undefined) return demandToken(await readFile(file, "utf8"), file);
  const ready = env.get(variable) ?? "";
  if (ready !== "") return demandToken(ready, variable);
  const address = env.get("ACTIONS_ID_TOKEN_REQUEST_URL") ?? "";
  const secret = env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN") ?? "";
  if (address === "" || secret === "") return null;
  return demandToken(await askGitHub(address, secret, audience), "GitHub's token service");
}

function demandToken(text: string, where: string): string {
  const token = text.trim();
  if (token.length <= MAX_TOKEN_BYTES && JWT.test(token)) return token;
  throw new SondeError("UNAUTHENTICATED", `${where}: expected an identity token (a JWT), got none`);
}

// https://docs.github.com/en/actions/reference/security/oidc
async function askGitHub(address: string, secret: string, audience: string): Promise<string> {
  const url = URL.parse(address);
  const isSafe =
    url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.has(url.hostname));
  if (url === null || !isSafe) {
    throw new SondeError("CONFIG_INVALID", "ACTIONS_ID_TOKEN_REQUEST_URL: expected an https URL");
  }
  url.searchParams.set("audience", audience);
  let text: string;
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json", authorization: `Bearer ${secret}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    text = await response.text();
  } catch (cause) {
    throw new SondeError("UNAUTHENTICATED", `expected a token from ${url.origin}, got none`, {
      cause,
    });
  }
  const { value } = parseJson(text, "token answer", "UNAUTHENTICATED") as { value?: unknown };
  return typeof value === "string" ? value : "";
}
