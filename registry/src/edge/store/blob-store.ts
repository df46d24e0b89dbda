import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, SondeError } from "@sonde/schemas";
import { digestOf } from "@sonde/trust/archive";

const TEMPORARY_PREFIX = ".new-";

/** Archives on disk, each under its digest. */
export type BlobStore = {
  /** Durable and whole when it resolves, also after a power cut. The same bytes may be saved twice, at once too. */
  saveBlob(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** @throws SondeError INTERNAL when the blob is missing or is no longer what was saved */
  readBlob(digest: Digest): Promise<Buffer>;
  removeBlob(digest: Digest): Promise<void>;
};

/** Opens the folder; there must be no other process using it. */
export async function openBlobStore(folder: string): Promise<BlobStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    // What a killed registry was writing.
    if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(folder, name));
  }
  const pathOf = (digest: Digest): string => join(folder, `${digest.slice("sha256:".length)}.tgz`);
  return {
    async saveBlob(digest, bytes) {
      const temporary = join(folder, `${TEMPORARY_PREFIX}${randomBytes(12).toString("hex")}`);
      try {
        await writeDurably(temporary, bytes);
        await rename(temporary, pathOf(digest));
      } finally {
        await rm(temporary, { force: true });
      }
      await syncFolder(folder);
    },
    async readBlob(digest) {
      const bytes = await readFile(pathOf(digest)).catch((cause: unknown) => {
        throw new SondeError("INTERNAL", `the archive ${digest} cannot be read`, { cause });
      });
      if (digestOf(bytes) !== digest) {
        throw new SondeError("INTERNAL", `the archive ${digest} is damaged on disk`);
      }
      return bytes;
    },
    async removeBlob(digest) {
      await rm(pathOf(digest), { force: true });
    },
  };
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
