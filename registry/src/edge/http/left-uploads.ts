import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Digest } from "@sonde/schemas";

/**
 * Empties the folder of what a killed registry was receiving. Some of it may
 * have been kept by then though it was never published: `onLeft` is told its
 * digest first, so that a kill in here is made good by the next start.
 */
export async function forgetLeftUploads(
  folder: string,
  onLeft: (digest: Digest) => Promise<void>,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    const place = join(folder, name);
    const archive = (await readdir(place)).find((file) => file === "archive");
    if (archive !== undefined) await onLeft(await hashFile(join(place, archive)));
    await rm(place, { recursive: true });
  }
}

async function hashFile(path: string): Promise<Digest> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest("hex")}`;
}
