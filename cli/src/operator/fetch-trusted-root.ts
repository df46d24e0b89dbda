import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { parseTrustedRoot, type TrustedRoot } from "@sonde/schemas/trust";

const TARGET = "trusted_root.json";
const TIMEOUT_MS = 20_000;
const RETRIES = 2;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** URL of Sigstore's public TUF repository. The client contains its first metadata. */
export const PUBLIC_MIRROR = "https://tuf-repo-cdn.sigstore.dev";

export type RootSource = {
  mirror: string;
  /** The repository's first `root.json`, for a mirror other than Sigstore's own. */
  rootFile?: string;
  /** Folder of the TUF cache. It prevents a rollback to older metadata. */
  cacheDir: string;
};

/**
 * Fetches Sigstore's trusted root by TUF. The metadata must be signed by the keys of the first root
 * or their successors, must not have expired, and must not be older than the cached ones.
 *
 * @throws SondeError ROOT_UPDATE_FAILED, CONFIG_INVALID for content that is not a trusted root
 */
export async function fetchTrustedRoot(source: RootSource): Promise<TrustedRoot> {
  requireSafe(source.mirror);
  // Imported lazily: no other command needs a TUF client.
  const { initTUF } = await import("@sigstore/tuf");
  let text: string;
  try {
    const client = await initTUF({
      mirrorURL: source.mirror.replace(/\/+$/, ""),
      cachePath: source.cacheDir,
      ...(source.rootFile !== undefined && { rootPath: source.rootFile }),
      timeout: TIMEOUT_MS,
      retry: { retries: RETRIES },
    });
    text = await client.getTarget(TARGET);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 300) : "no answer";
    throw new SondeError(
      "ROOT_UPDATE_FAILED",
      `${source.mirror}: expected a trusted root, got ${why}`,
      {
        cause,
      },
    );
  }
  return parseTrustedRoot(parseJson(text, TARGET, "CONFIG_INVALID"));
}

function requireSafe(mirror: string): void {
  const url = URL.parse(mirror);
  if (url?.protocol === "https:") return;
  if (url?.protocol === "http:" && LOOPBACK.has(url.hostname)) return;
  throw new SondeError(
    "BAD_REQUEST",
    `expected a mirror as https://HOST, or http:// on loopback, got ${mirror.slice(0, 200)}`,
  );
}
