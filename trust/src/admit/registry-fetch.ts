import { SondeError, readCapped } from "@sonde/schemas";
import { type ReadTile, MAX_ENTRY_BYTES, tilePath } from "../log/index.ts";

const TIMEOUT_MS = 20_000;
const MAX_CHECKPOINT_BYTES = 16 * 1024;

/**
 * Fetches one file of a registry. Size and time are bounded, redirects are
 * refused, and nothing is believed.
 *
 * @param path below the registry's address, without a leading slash
 * @returns null when the registry says that there is none
 * @throws SondeError REGISTRY_UNAVAILABLE, or ARCHIVE_INVALID for an answer above its cap
 */
export async function fetchFile(
  registry: string,
  path: string,
  maxBytes: number,
): Promise<Buffer | null> {
  const url = `${registry.replace(/\/+$/, "")}/${path}`;
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

/** The signed head of a registry's log, not yet opened. */
export async function fetchCheckpoint(registry: string): Promise<string> {
  const bytes = await fetchFile(registry, "log/checkpoint", MAX_CHECKPOINT_BYTES);
  if (bytes !== null) return bytes.toString("utf8");
  throw new SondeError("REGISTRY_LOG_INCONSISTENT", "expected a log in the registry, got none");
}

/** The tiles of a registry's log. One that is missing is as good as a false one. */
export function createTileReader(registry: string): ReadTile {
  return async (id) => {
    const maxBytes = id.width * (id.level === null ? MAX_ENTRY_BYTES + 2 : 32);
    const bytes = await fetchFile(registry, `log/${tilePath(id)}`, maxBytes);
    if (bytes !== null) return bytes;
    throw new SondeError("REGISTRY_LOG_INCONSISTENT", `expected ${tilePath(id)}, got none`);
  };
}
