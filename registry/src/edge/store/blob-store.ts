import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type Digest, SondeError } from "@sonde/schemas";

const TEMPORARY_PREFIX = ".new-";
const CHUNK_BYTES = 256 * 1024;
/** What was checked is remembered for so many archives, the latest ones. */
const MAX_CHECKED = 100_000;

/** An archive that is being read; whoever opened it reads it once or closes it. */
export type OpenBlob = {
  sizeBytes: number;
  /** Bytes `start` to `end`, both included. Small parts come as one buffer. Closes the blob. */
  read(start: number, end: number): Promise<Buffer | Readable>;
  close(): Promise<void>;
};

/** Archives on disk, each under its digest. */
export type BlobStore = {
  /** Durable and whole when it resolves, also after a power cut. The same bytes may be saved twice, at once too. */
  saveBlob(digest: Digest, bytes: Uint8Array): Promise<void>;
  /** @throws SondeError INTERNAL when the blob is missing or is no longer what was saved */
  openBlob(digest: Digest): Promise<OpenBlob>;
  /** The whole archive. @throws as openBlob */
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
  const demandIntact = createIntegrityCheck();

  async function openBlob(digest: Digest): Promise<OpenBlob> {
    const file = await open(pathOf(digest), "r").catch((cause: unknown) => {
      throw new SondeError("INTERNAL", `the archive ${digest} cannot be read`, { cause });
    });
    try {
      const sizeBytes = await demandIntact(file, digest);
      return {
        sizeBytes,
        read: (start, end) => readPart(file, start, end),
        close: () => file.close(),
      };
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

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
    openBlob,
    async readBlob(digest) {
      const { sizeBytes, read } = await openBlob(digest);
      const part = await read(0, sizeBytes - 1);
      if (Buffer.isBuffer(part)) return part;
      return Buffer.concat(await part.toArray());
    },
    async removeBlob(digest) {
      await rm(pathOf(digest), { force: true });
    },
  };
}

/**
 * Reads a file whole and checks its digest when it is met for the first time
 * since the start, and whenever it is another file or was touched since: then
 * its inode, size, mtime or ctime differ, and nobody can set a ctime. Checked and
 * served is the same open file, whatever happens to its name.
 */
function createIntegrityCheck(): (file: FileHandle, digest: Digest) => Promise<number> {
  const checked = new Map<Digest, string>();
  return async (file, digest) => {
    const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
    const state = `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
    if (checked.get(digest) === state) return Number(size);
    if ((await hashFile(file)) !== digest) {
      throw new SondeError("INTERNAL", `the archive ${digest} is damaged on disk`);
    }
    checked.delete(digest);
    checked.set(digest, state);
    const [oldest] = checked.keys();
    if (checked.size > MAX_CHECKED && oldest !== undefined) checked.delete(oldest);
    return Number(size);
  };
}

async function hashFile(file: FileHandle): Promise<Digest> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return `sha256:${hash.digest("hex")}`;
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}

async function readPart(file: FileHandle, start: number, end: number): Promise<Buffer | Readable> {
  const length = end - start + 1;
  if (length > CHUNK_BYTES) {
    return file.createReadStream({ start, end, highWaterMark: CHUNK_BYTES });
  }
  try {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, start);
    if (bytesRead === length) return buffer;
    throw new SondeError("INTERNAL", `expected ${length} bytes of an archive, got ${bytesRead}`);
  } finally {
    await file.close();
  }
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
