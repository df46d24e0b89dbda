import { join } from "node:path";
import { type PackName, SondeError, type Version } from "@sonde/schemas";
import { MAX_ARCHIVE_BYTES } from "../archive/index.ts";
import { MAX_BUNDLE_BYTES } from "../pack/index.ts";
import type { UnverifiedPack } from "./fetch-pack.ts";
import { readBoundedFile } from "./read-bounded-file.ts";

/**
 * Reads a pack that its author built on this machine: `PACK-VERSION.tgz` and,
 * when it is signed, `PACK-VERSION.tgz.sigstore.json` beside it.
 *
 * @throws SondeError NOT_FOUND or ARCHIVE_INVALID
 */
export async function readLocalPack(
  folder: string,
  name: PackName,
  version: Version,
): Promise<UnverifiedPack> {
  const path = join(folder, `${name.slice(name.indexOf("/") + 1)}-${version}.tgz`);
  const archive = await readBoundedFile(path, MAX_ARCHIVE_BYTES);
  if (archive === null) throw new SondeError("NOT_FOUND", `expected ${path}, got none`);
  const bundle = await readBoundedFile(`${path}.sigstore.json`, MAX_BUNDLE_BYTES);
  return { archive, bundle: bundle === null ? null : bundle.toString("utf8") };
}
