import { realpath } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { MAX_ARCHIVE_BYTES, readBoundedFile } from "@sonde/trust/archive";
import { MAX_BUNDLE_BYTES } from "@sonde/trust/pack";

/** File name of an archive's bundle, which lies beside it. */
export const bundleFileOf = (archive: string): string => `${archive}.sigstore.json`;

/**
 * Reads the archive that a person named.
 *
 * @throws SondeError NOT_FOUND, or ARCHIVE_INVALID for a folder, a device or a file above the cap
 */
export async function readArchiveFile(file: string): Promise<Buffer<ArrayBuffer>> {
  const bytes = await readIfThere(file, MAX_ARCHIVE_BYTES);
  if (bytes !== null) return bytes;
  throw new SondeError("NOT_FOUND", `expected an archive ${file}, got none`);
}

/**
 * Reads the bundle of an archive, by default the one beside it.
 *
 * @returns null when there is none
 * @throws SondeError ARCHIVE_INVALID for a folder, a device or a file above the cap
 */
export function readBundleFile(
  archive: string,
  named: string | undefined,
): Promise<Buffer<ArrayBuffer> | null> {
  return readIfThere(named ?? bundleFileOf(archive), MAX_BUNDLE_BYTES);
}

/** Follows links: the person who names a file may mean any that they can read. */
async function readIfThere(file: string, maxBytes: number): Promise<Buffer<ArrayBuffer> | null> {
  let real: string;
  try {
    real = await realpath(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return await readBoundedFile(real, maxBytes);
}
