import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Digest } from "@sonde/schemas/names";

/**
 * Empties the folder of uploads and imports that a killed registry left. Some archives may have
 * been stored without being published: `onLeft` gets each digest before the file is removed, so
 * that the next start repeats an interrupted clean-up.
 */
export async function forgetLeftUploads(
  folder: string,
  onLeft: (digest: Digest) => Promise<void>,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    const place = join(folder, name);
    for (const file of await readdir(place)) {
      if (file !== "bundle") await onLeft(await hashFile(join(place, file)));
    }
    await rm(place, { recursive: true });
  }
}

async function hashFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest("hex")}`;
}
