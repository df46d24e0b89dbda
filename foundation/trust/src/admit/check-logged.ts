import { parseJson } from "@sonde/schemas/parse";
import { parseRegistryEntry } from "@sonde/schemas/registry";
import type { AdmittedPack, LogPlace, RegistryPlace } from "@sonde/schemas/trust";
import { decodeFrontier, inconsistent, readProvenEntry, rootOf, type Tree } from "../log/index.ts";
import { createTileReader, fetchFile } from "./registry-fetch.ts";

const MAX_VERSION_BYTES = 1024 * 1024;

/**
 * Checks that exactly this archive was published in the log up to `place`, or in that tree. A version
 * made for one agent alone is in no log that others see (attack 69).
 *
 * @returns the entry's bytes, and where it is
 * @throws SondeError REGISTRY_LOG_INCONSISTENT, or REGISTRY_UNAVAILABLE
 */
export async function checkLogged(
  registry: RegistryPlace,
  place: LogPlace | Tree,
  pack: Pick<AdmittedPack, "manifest" | "digest" | "contentDigest">,
): Promise<{ index: number; entry: Uint8Array }> {
  const { manifest, digest, contentDigest } = pack;
  const { name, version } = manifest;
  const tree = "root" in place ? place : treeAt(place);
  const index = await fetchIndex(registry, `api/v1/packs/${name}/${version}`);
  const bytes = await readProvenEntry(index, tree, createTileReader(registry));
  const entry = parseRegistryEntry(
    parseJson(bytes, "registry log entry", "REGISTRY_LOG_INCONSISTENT"),
  );
  const isThis =
    entry.type === "publish" &&
    entry.name === name &&
    entry.version === version &&
    entry.digest === digest &&
    entry.contentDigest === contentDigest;
  if (isThis) return { index, entry: bytes };
  throw inconsistent(`expected ${name} ${version} with ${digest} as entry ${index}, got another`);
}

function treeAt(place: LogPlace): Tree {
  const frontier = decodeFrontier(place);
  return { size: frontier.size, root: rootOf(frontier) };
}

/** Asks the registry where the entry is. The answer counts only with an inclusion proof. */
async function fetchIndex(registry: RegistryPlace, path: string): Promise<number> {
  const bytes = await fetchFile(registry, path, MAX_VERSION_BYTES);
  const answer =
    bytes === null ? null : parseJson(bytes, "registry answer", "REGISTRY_UNAVAILABLE");
  const index =
    typeof answer === "object" && answer !== null && "logIndex" in answer && answer.logIndex;
  if (typeof index === "number" && Number.isSafeInteger(index) && index >= 0) return index;
  throw inconsistent("expected the place of the version in the log, got none");
}
