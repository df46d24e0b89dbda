import { SondeError } from "@sonde/schemas/errors";
import { parseJson, readCapped } from "@sonde/schemas/parse";
import { type JWTVerifyGetKey, createRemoteJWKSet, customFetch } from "jose";

const TIMEOUT_MS = 5000;
const MAX_KEYS_BYTES = 256 * 1024;
/** Keys are cached this long. An unknown key id triggers a fetch at most every 30 seconds. */
const CACHE_MS = 10 * 60 * 1000;
const COOLDOWN_MS = 30 * 1000;

/**
 * Fetches an issuer's public keys from its configured address only; key locations in a
 * token are ignored. When the issuer does not answer, expired keys are not used.
 *
 * @returns a function that finds a token's key, or throws SondeError ISSUER_UNAVAILABLE
 */
export function createIssuerKeys(jwksUri: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(jwksUri), {
    timeoutDuration: TIMEOUT_MS,
    cacheMaxAge: CACHE_MS,
    cooldownDuration: COOLDOWN_MS,
    [customFetch]: (url: string, { signal }: { signal: AbortSignal }) => fetchKeys(url, signal),
  });
}

async function fetchKeys(url: string, signal: AbortSignal): Promise<Response> {
  try {
    const response = await fetch(url, { signal, redirect: "error" });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const keys = parseJson(
      await readCapped(response.body, MAX_KEYS_BYTES, () => {
        return new SondeError(
          "ISSUER_UNAVAILABLE",
          `expected at most ${MAX_KEYS_BYTES} bytes of keys`,
        );
      }),
      "keys",
      "ISSUER_UNAVAILABLE",
    );
    const isKeySet = typeof keys === "object" && keys !== null && "keys" in keys;
    if (!isKeySet || !Array.isArray(keys.keys)) throw new Error("no key set");
    return Response.json(keys);
  } catch (cause) {
    throw new SondeError("ISSUER_UNAVAILABLE", `expected a key set at ${url}, got none`, { cause });
  }
}
