import { SondeError, parseJson } from "@sonde/schemas";

const TIMEOUT_MS = 30_000;
const MAX_TOKEN_BYTES = 16_000;

/**
 * The identity token that a CI gives to the job it runs: GitHub Actions makes
 * one for an audience (the job needs `id-token: write`), GitLab and others put
 * one made for it into `SONDE_ID_TOKEN`.
 *
 * @returns null where there is no such CI
 * @throws SondeError ISSUER_UNAVAILABLE when GitHub does not give the token it offers
 */
export async function readAmbientToken(
  env: ReadonlyMap<string, string | undefined>,
  audience: string,
): Promise<string | null> {
  const given = env.get("SONDE_ID_TOKEN")?.trim();
  if (given !== undefined && given !== "") return given;
  const address = env.get("ACTIONS_ID_TOKEN_REQUEST_URL");
  const bearer = env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
  if (address === undefined || bearer === undefined) return null;
  try {
    const url = new URL(address);
    url.searchParams.set("audience", audience);
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${bearer}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = (await response.text()).slice(0, MAX_TOKEN_BYTES);
    const { value } = parseJson(text, "answer", "ISSUER_UNAVAILABLE") as { value?: unknown };
    if (!response.ok || typeof value !== "string") throw new Error(`status ${response.status}`);
    return value;
  } catch (cause) {
    throw new SondeError("ISSUER_UNAVAILABLE", "expected GitHub's identity token, got none", {
      cause,
    });
  }
}
