import { type PackName, SondeError, type Version, readCapped } from "@sonde/schemas";
import { MAX_ARCHIVE_BYTES } from "../archive/index.ts";
import { MAX_BUNDLE_BYTES } from "../pack/index.ts";

/** What came from outside, not yet looked at. */
export type UnverifiedPack = { archive: Uint8Array; bundle: string | null };

const TIMEOUT_MS = 20_000;

/**
 * Fetches archive and bundle of one version from a registry. Sizes and time are
 * bounded, redirects are refused, and nothing is believed.
 *
 * @throws SondeError REGISTRY_UNAVAILABLE, NOT_FOUND when there is no such
 *   version, or ARCHIVE_INVALID for an answer above its cap
 */
export async function fetchPack(
  registry: string,
  name: PackName,
  version: Version,
): Promise<UnverifiedPack> {
  const base = `${registry.replace(/\/+$/, "")}/api/v1/packs/${name}/${version}`;
  const archive = await get(`${base}/archive`, MAX_ARCHIVE_BYTES);
  if (archive === null) {
    throw new SondeError("NOT_FOUND", `expected ${name} ${version} in the registry, got none`);
  }
  const bundle = await get(`${base}/bundle`, MAX_BUNDLE_BYTES);
  return { archive, bundle: bundle === null ? null : bundle.toString("utf8") };
}

async function get(url: string, maxBytes: number): Promise<Buffer | null> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const headers = { "accept-encoding": "identity" };
  try {
    const response = await fetch(url, { redirect: "error", signal, headers });
    if (response.status === 404) {
      await response.body?.cancel();
      return null;
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new SondeError("REGISTRY_UNAVAILABLE", `expected 200, got ${response.status}`);
    }
    return await readCapped(response.body, maxBytes, () => {
      return new SondeError("ARCHIVE_INVALID", `expected at most ${maxBytes} bytes, got more`);
    });
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError("REGISTRY_UNAVAILABLE", "expected an answer of the registry, got none", {
      cause,
    });
  }
}
