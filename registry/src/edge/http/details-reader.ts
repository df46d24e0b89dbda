import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { type VersionDetails } from "@sonde/schemas/registry";
import { describeVersion } from "../../core/describe-version.ts";
import { withLife } from "../../core/stored-version.ts";
import type { LifeStore } from "../store/life-store.ts";
import type { PackStore } from "../store/pack-store.ts";
import type { VersionStore } from "../store/version-store.ts";

/** @throws SondeError NOT_FOUND when there is no such version */
export type ReadDetails = (name: string, version: string) => Promise<VersionDetails>;

/** Creates the reader of a version's description, for the API and the pages. */
export function createDetailsReader(
  versions: VersionStore,
  lives: LifeStore,
  packs: PackStore,
  readReadme: (digest: Digest) => Promise<string>,
): ReadDetails {
  return async (name, version) => {
    const published = await versions.findVersion(name, version);
    const pack = await packs.readPack(name, version);
    if (published === null || pack === null) {
      throw new SondeError("NOT_FOUND", `expected a published version, got ${name} ${version}`);
    }
    const described = withLife(published, await lives.readLife(name));
    const before = await versions.findBefore(name, version);
    const readme = await readReadme(published.digest);
    return describeVersion(described, before?.manifest ?? null, readme, pack);
  };
}
