import {
  isErrorCode,
  type PublishedVersion,
  parseJson,
  parsePublishedVersion,
  readCapped,
  SondeError,
} from "@sonde/schemas";
import { archiveDigest, readArchive } from "@sonde/trust/archive";
import { parseManifest } from "@sonde/trust/pack";

const TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Publishes a signed archive under the name and version that it carries itself.
 *
 * @param registry `https://...`, or `http://` on loopback: the token goes along
 * @throws SondeError with the registry's code, REGISTRY_UNAVAILABLE or DIGEST_MISMATCH
 */
export async function publishArchive(
  registry: string,
  token: string,
  archive: Uint8Array<ArrayBuffer>,
  bundle: Uint8Array<ArrayBuffer>,
): Promise<PublishedVersion> {
  const manifest = readManifest(archive);
  const address = buildAddress(registry, manifest.name, manifest.version);
  const published = await put(address, token, archive, bundle);
  if (published.digest === archiveDigest(archive)) return published;
  throw new SondeError(
    "DIGEST_MISMATCH",
    `expected the registry to keep ${archiveDigest(archive)}, got ${published.digest}`,
  );
}

function readManifest(archive: Uint8Array): { name: string; version: string } {
  const file = readArchive(archive).find(({ path }) => path === "pack.json");
  if (file === undefined) throw new SondeError("ARCHIVE_INVALID", "expected a pack.json, got none");
  return parseManifest(file.bytes);
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

function buildAddress(registry: string, name: string, version: string): URL {
  const address = URL.parse(registry);
  const isSafe =
    address?.protocol === "https:" ||
    (address?.protocol === "http:" && LOOPBACK.has(address.hostname));
  if (address === null || !isSafe || address.username !== "" || address.search !== "") {
    throw new SondeError(
      "BAD_REQUEST",
      `expected a registry as https://HOST, or http:// on loopback, got ${registry.slice(0, 200)}`,
    );
  }
  const base = address.pathname.endsWith("/") ? address.pathname : `${address.pathname}/`;
  return new URL(`${base}api/v1/packs/${name}/${version}`, address);
}

async function put(
  address: URL,
  token: string,
  archive: Uint8Array<ArrayBuffer>,
  bundle: Uint8Array<ArrayBuffer>,
) {
  const form = new FormData();
  // The order is part of the interface: the signature is known before the archive arrives.
  form.append("bundle", new Blob([bundle], { type: "application/json" }), "bundle.json");
  form.append("archive", new Blob([archive], { type: "application/gzip" }), "archive.tgz");
  let response: Response;
  let bytes: Buffer;
  try {
    response = await fetch(address, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}` },
      body: form,
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    bytes = await readCapped(response.body, MAX_ANSWER_BYTES, () => {
      return new SondeError("REGISTRY_UNAVAILABLE", "expected a short answer, got a long one");
    });
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError(
      "REGISTRY_UNAVAILABLE",
      `expected an answer from ${address.origin}, got none`,
      { cause },
    );
  }
  const answer = parseJson(bytes, "registry answer", "REGISTRY_UNAVAILABLE");
  if (!response.ok) throw readRefusal(answer, response.status);
  return parsePublishedVersion(answer);
}

/** The registry's own refusal, when it has the form of one. */
function readRefusal(answer: unknown, status: number): SondeError {
  const { error } = (answer ?? {}) as { error?: { code?: unknown; message?: unknown } };
  const message = typeof error?.message === "string" ? error.message.slice(0, 1000) : "";
  if (isErrorCode(error?.code)) return new SondeError(error.code, message);
  return new SondeError("REGISTRY_UNAVAILABLE", `expected a known answer, got status ${status}`);
}
