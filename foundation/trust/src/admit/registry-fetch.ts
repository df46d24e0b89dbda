import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import { readCapped } from "@sonde/schemas/parse";
import { type ReadTile, maxTileBytes, tilePath } from "../log/index.ts";

const TIMEOUT_MS = 20_000;
const MAX_CHECKPOINT_BYTES = 16 * 1024;
/** How long to wait after a 429. A registry refills a hundred requests per second. */
const BUSY_WAIT_MS = 1000;
const MAX_BUSY_WAITS = 20;

/**
 * Fetches one file of a registry, with limits of size and time. Refuses redirects. The
 * bytes are not verified. Retries while the registry's rate limit refuses.
 *
 * @param path below the registry's address, without a leading slash
 * @returns null when the registry has no such file
 * @throws SondeError REGISTRY_UNAVAILABLE, or ARCHIVE_INVALID for an answer above its cap
 */
export async function fetchFile(
  registry: string,
  path: string,
  maxBytes: number,
): Promise<Buffer | null> {
  const url = `${registry.replace(/\/+$/, "")}/${path}`;
  try {
    const response = await askPatiently(url);
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

async function askPatiently(url: string): Promise<Response> {
  for (let waits = 0; ; waits += 1) {
    const response = await fetch(url, {
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { "accept-encoding": "identity" },
    });
    if (response.status !== 429 || waits === MAX_BUSY_WAITS) return response;
    await response.body?.cancel();
    await sleep(BUSY_WAIT_MS);
  }
}

/** Fetches the signed head of a registry's log, without verifying it. */
export async function fetchCheckpoint(registry: string): Promise<string> {
  const bytes = await fetchFile(registry, "log/checkpoint", MAX_CHECKPOINT_BYTES);
  if (bytes !== null) return bytes.toString("utf8");
  throw new SondeError("REGISTRY_LOG_INCONSISTENT", "expected a log in the registry, got none");
}

/** Fetches tiles of a registry's log. A missing tile counts as an inconsistent log. */
export function createTileReader(registry: string): ReadTile {
  return async (id) => {
    const bytes = await fetchFile(registry, `log/${tilePath(id)}`, maxTileBytes(id));
    if (bytes !== null) return bytes;
    throw new SondeError("REGISTRY_LOG_INCONSISTENT", `expected ${tilePath(id)}, got none`);
  };
}
