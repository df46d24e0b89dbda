import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import { readCapped } from "@sonde/schemas/parse";
import type { RegistryPlace } from "@sonde/schemas/trust";
import { type ReadTile, maxTileBytes, tilePath } from "../log/index.ts";

const TIMEOUT_MS = 20_000;
const MAX_CHECKPOINT_BYTES = 16 * 1024;
/** How long to wait after a 429. A registry refills a hundred requests per second. */
const BUSY_WAIT_MS = 1000;
const MAX_BUSY_WAITS = 20;

/**
 * Fetches one file of a registry, with limits of size and time. Follows no redirect. The
 * bytes are not verified. Retries while the registry's rate limit refuses.
 *
 * @param path below the registry's address, without a leading slash
 * @returns null when the registry has no such file
 * @throws SondeError REGISTRY_UNAVAILABLE, or ARCHIVE_INVALID for an answer above its cap
 */
export async function fetchFile(
  place: RegistryPlace,
  path: string,
  maxBytes: number,
): Promise<Buffer | null> {
  const url = new URL(`${place.registry.replace(/\/+$/, "")}/${path}`);
  try {
    const response = await askPatiently(url, place.registryCa);
    if (response.statusCode === 200) {
      return await readCapped(response, maxBytes, () => {
        return new SondeError("ARCHIVE_INVALID", `expected at most ${maxBytes} bytes, got more`);
      });
    }
    response.destroy();
    if (response.statusCode === 404) return null;
    throw new SondeError("REGISTRY_UNAVAILABLE", `expected 200, got ${response.statusCode}`);
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "no answer";
    throw new SondeError(
      "REGISTRY_UNAVAILABLE",
      `expected an answer of the registry at ${url.host}, got ${why}`,
      { cause },
    );
  }
}

async function askPatiently(url: URL, ca: string | undefined): Promise<IncomingMessage> {
  for (let waits = 0; ; waits += 1) {
    const response = await ask(url, ca);
    if (response.statusCode !== 429 || waits === MAX_BUSY_WAITS) return response;
    response.destroy();
    await sleep(BUSY_WAIT_MS);
  }
}

function ask(url: URL, ca: string | undefined): Promise<IncomingMessage> {
  const options = {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { "accept-encoding": "identity" },
  };
  return new Promise((resolve, reject) => {
    const asked =
      url.protocol === "https:"
        ? // The policy's authority is then the only one that counts.
          requestTls(url, { ...options, ...(ca !== undefined && { ca: [ca] }) })
        : requestPlain(url, options);
    asked.once("response", resolve).on("error", reject).end();
  });
}

/** Fetches the signed head of a registry's log, without verifying it. */
export async function fetchCheckpoint(registry: RegistryPlace): Promise<string> {
  const bytes = await fetchFile(registry, "log/checkpoint", MAX_CHECKPOINT_BYTES);
  if (bytes !== null) return bytes.toString("utf8");
  throw new SondeError("REGISTRY_LOG_INCONSISTENT", "expected a log in the registry, got none");
}

/** Fetches tiles of a registry's log. A missing tile counts as an inconsistent log. */
export function createTileReader(registry: RegistryPlace): ReadTile {
  return async (id) => {
    const bytes = await fetchFile(registry, `log/${tilePath(id)}`, maxTileBytes(id));
    if (bytes !== null) return bytes;
    throw new SondeError("REGISTRY_LOG_INCONSISTENT", `expected ${tilePath(id)}, got none`);
  };
}
