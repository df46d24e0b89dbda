import { createHash, randomBytes } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { SondeError } from "@sonde/schemas/errors";
import { type Digest } from "@sonde/schemas/names";
import { digestOf } from "@sonde/trust/archive";
import { createRecentlyUsed } from "./recently-used.ts";

const TEMPORARY_PREFIX = ".new-";
const CHUNK_BYTES = 256 * 1024;
/** For how many archives the last check is remembered, by LRU. */
const MAX_CHECKED = 100_000;
/** Size of the LRU cache of small archives. */
const MAX_KEPT_BYTES = 16 * 1024 * 1024;

/** An archive that is being read. Its owner reads it once or closes it. */
export type OpenBlob = {
  sizeBytes: number;
  /**
   * Reads bytes `start` to `end`, both included, and closes the blob. A small part is one buffer.
   */
  read(start: number, end: number): Promise<Buffer | Readable>;
  close(): Promise<void>;
};

/** Stores archives on disk, each under its digest. */
export type BlobStore = {
  /**
   * Stores a file of the same disk by a hard link. Its owner may remove the file but not write to
   * it. Durable and whole when it resolves, also after a power cut. Idempotent, also concurrently.
   */
  keepBlob(digest: Digest, path: string): Promise<void>;
  /** @throws SondeError INTERNAL when the blob is missing or its bytes have changed */
  openBlob(digest: Digest): Promise<OpenBlob>;
  /**
   * Reads the whole archive.
   *
   * @throws as openBlob
   */
  readBlob(digest: Digest): Promise<Buffer>;
  removeBlob(digest: Digest): Promise<void>;
};

/** Opens the folder. No other process may use it. */
export async function openBlobStore(folder: string): Promise<BlobStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    // A killed registry leaves partial files.
    if (name.startsWith(TEMPORARY_PREFIX)) await rm(join(folder, name));
  }
  const pathOf = (digest: Digest): string => join(folder, `${digest.slice("sha256:".length)}.tgz`);
  const demandIntact = createIntegrityCheck();
  const small = createRecentlyUsed<{ state: string; bytes: Buffer }>(MAX_KEPT_BYTES);

  /** Returns the cached bytes, or null when there are none or the file was touched since. */
  async function findKept(digest: Digest): Promise<OpenBlob | null> {
    const kept = small.get(digest);
    if (kept === undefined) return null;
    const state = describeState(await stat(pathOf(digest), { bigint: true }));
    return state === kept.state ? openBytes(kept.bytes) : null;
  }

  async function openFile(digest: Digest): Promise<OpenBlob> {
    const file = await open(pathOf(digest), "r");
    try {
      const stats = await file.stat({ bigint: true });
      const sizeBytes = Number(stats.size);
      const state = describeState(stats);
      if (sizeBytes > CHUNK_BYTES) {
        await demandIntact(file, digest, state);
        return {
          sizeBytes,
          read: (start, end) => readPart(file, start, end),
          close: () => file.close(),
        };
      }
      const bytes = await file.readFile();
      demandDigest(digest, digestOf(bytes));
      small.set(digest, { state, bytes }, bytes.length);
      await file.close();
      return openBytes(bytes);
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  async function openBlob(digest: Digest): Promise<OpenBlob> {
    try {
      return (await findKept(digest)) ?? (await openFile(digest));
    } catch (cause) {
      if (cause instanceof SondeError) throw cause;
      throw new SondeError("INTERNAL", `the archive ${digest} cannot be read`, { cause });
    }
  }

  return {
    async keepBlob(digest, path) {
      const temporary = join(folder, `${TEMPORARY_PREFIX}${randomBytes(12).toString("hex")}`);
      await sync(path);
      try {
        await link(path, temporary);
        await rename(temporary, pathOf(digest));
      } finally {
        await rm(temporary, { force: true });
      }
      await sync(folder);
    },
    openBlob,
    async readBlob(digest) {
      const blob = await openBlob(digest);
      const part = await blob.read(0, blob.sizeBytes - 1);
      if (Buffer.isBuffer(part)) return part;
      return Buffer.concat(await part.toArray());
    },
    async removeBlob(digest) {
      await rm(pathOf(digest), { force: true });
    },
  };
}

/**
 * Creates the check of large files. It hashes a file at its first use since the start, and again
 * after the file was touched. The checked and the served file are the same open file, whatever
 * happens to its name.
 */
function createIntegrityCheck(): (
  file: FileHandle,
  digest: Digest,
  state: string,
) => Promise<void> {
  const checked = createRecentlyUsed<string>(MAX_CHECKED);
  return async (file, digest, state) => {
    if (checked.get(digest) === state) return;
    demandDigest(digest, await hashFile(file));
    checked.set(digest, state, 1);
  };
}

/** Describes a file's state. Every write changes it, since no program can set a ctime. */
function describeState({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

function demandDigest(expected: Digest, got: Digest): void {
  if (got === expected) return;
  throw new SondeError("INTERNAL", `the archive ${expected} is damaged on disk`);
}

function openBytes(bytes: Buffer): OpenBlob {
  return {
    sizeBytes: bytes.length,
    read: async (start, end) => bytes.subarray(start, end + 1),
    close: async () => undefined,
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

/** Syncs a file or a folder to disk. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
