import { SondeError } from "@sonde/schemas/errors";
import { type Digest, type PackName, type Version } from "@sonde/schemas/names";
import { type VersionDetails, type VersionDifference } from "@sonde/schemas/registry";
import { describeDifference } from "../../core/describe-difference.ts";
import { describeTrust } from "../../core/describe-trust.ts";
import { describeVersion } from "../../core/describe-version.ts";
import { type StoredVersion, withLife } from "../../core/stored-version.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { PackStore } from "../store/pack-store.ts";
import type { PublisherStore } from "../store/publisher-store.ts";
import { createRecentlyUsed } from "../store/recently-used.ts";
import type { VersionStore } from "../store/version-store.ts";

/** Size of the LRU cache of READMEs that were compared, in characters. */
const MAX_README_CHARACTERS = 4 * 1024 * 1024;

/** @throws SondeError NOT_FOUND when there is no such version */
export type ReadDetails = (name: PackName, version: Version) => Promise<VersionDetails>;

/** @throws SondeError NOT_FOUND when there is no such version */
export type ReadDifference = (
  name: PackName,
  from: Version,
  to: Version,
) => Promise<VersionDifference>;

export type DetailPorts = {
  versions: VersionStore;
  lives: LifeStore;
  packs: PackStore;
  publishers: Pick<PublisherStore, "findKey">;
  /** A README as safe HTML. */
  readReadme: (digest: Digest) => Promise<string>;
};

/** Creates the reader of a version's description, for the API and the pages. */
export function createDetailsReader(ports: DetailPorts): ReadDetails {
  const { versions, lives, packs, publishers, readReadme } = ports;
  return async (name, version) => {
    const published = await demandVersion(versions, name, version);
    const pack = await packs.readPack(name, version);
    if (pack === null) throw new SondeError("NOT_FOUND", `expected a pack, got ${name}`);
    const described = withLife(published, await lives.readLife(name));
    const before = await versions.findBefore(name, version);
    const readme = await readReadme(published.digest);
    const { signer } = published;
    const key =
      signer.kind === "rsa-sha256"
        ? await publishers.findKey(signer.publisher, signer.keyId)
        : null;
    const trust = describeTrust(signer, key);
    return describeVersion(described, before?.manifest ?? null, readme, { ...pack, trust });
  };
}

/**
 * Creates the reader of what differs between two versions.
 *
 * @param readMarkdown returns the README of a stored archive
 */
export function createDifferenceReader(
  versions: VersionStore,
  readMarkdown: (digest: Digest) => Promise<string>,
): ReadDifference {
  // An archive never changes, so the cache never becomes stale.
  const known = createRecentlyUsed<string>(MAX_README_CHARACTERS);

  async function readSide(name: PackName, version: Version) {
    const { digest, manifest } = await demandVersion(versions, name, version);
    const readme = known.get(digest) ?? (await readMarkdown(digest));
    known.set(digest, readme, readme.length);
    return { manifest, readme };
  }

  return async (name, from, to) =>
    describeDifference(await readSide(name, from), await readSide(name, to));
}

async function demandVersion(
  versions: VersionStore,
  name: PackName,
  version: Version,
): Promise<StoredVersion> {
  const found = await versions.findVersion(name, version);
  if (found !== null) return found;
  throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${version}`);
}
