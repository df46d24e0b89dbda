import { randomBytes } from "node:crypto";
import { chmod, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { SondeError } from "@sonde/schemas/errors";
import { type AdmittedPack, type VerifiedRecord } from "@sonde/schemas/trust";
import { type VerifiedPack, isVerifiedPack } from "../pack/index.ts";
import { RECORD_FILE, admittedFolder, readSound } from "./read-admitted.ts";

// Runners, which are another user, read the code. Only the owner may write it.
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
const TEMPORARY_PREFIX = ".admit-";
const TEMPORARY_LIFE_MS = 10 * 60_000;

/**
 * Stores a verified pack under its digest. The write is atomic and durable: a reader sees
 * a complete pack or none, also after a power cut. Concurrent calls are safe. A pack that
 * is there already is checked and, if damaged, replaced.
 *
 * @throws SondeError RIGHT_MISSING when the store cannot be written
 */
export async function storePack(storeDir: string, pack: VerifiedPack): Promise<AdmittedPack> {
  if (!isVerifiedPack(pack)) throw new SondeError("INTERNAL", "expected a VerifiedPack");
  try {
    await mkdir(storeDir, { recursive: true, mode: FOLDER_MODE });
    // Runners read here, whatever the umask of the agent's unit is.
    await chmod(storeDir, FOLDER_MODE);
    await removeStale(storeDir);
    return await place(storeDir, pack);
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "an error";
    throw new SondeError("RIGHT_MISSING", `${storeDir}: expected a writable folder, got ${code}`, {
      cause,
    });
  }
}

async function place(storeDir: string, pack: VerifiedPack): Promise<AdmittedPack> {
  const present = await readIfSound(storeDir, pack);
  if (present !== null) return present;
  const temporary = join(storeDir, `${TEMPORARY_PREFIX}${randomBytes(12).toString("hex")}`);
  try {
    await mkdir(temporary, { mode: FOLDER_MODE });
    await chmod(temporary, FOLDER_MODE);
    await writeFiles(temporary, pack);
    await moveInto(temporary, storeDir, pack);
    await syncFolder(storeDir);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return await readSound(storeDir, pack.digest);
}

/** Keeps an existing folder if it is sound, since a concurrent admit may have been first. */
async function moveInto(temporary: string, storeDir: string, pack: VerifiedPack): Promise<void> {
  const target = admittedFolder(storeDir, pack.digest);
  try {
    await rename(temporary, target);
  } catch {
    if ((await readIfSound(storeDir, pack)) !== null) return;
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
  }
}

async function readIfSound(storeDir: string, pack: VerifiedPack): Promise<AdmittedPack | null> {
  try {
    const present = await readSound(storeDir, pack.digest);
    // Another key signed the stored pack before, and the record must name the present signer.
    return isDeepStrictEqual(present.signer, pack.signer) ? present : null;
  } catch (cause) {
    // An absent or damaged pack is written again.
    if (cause instanceof SondeError) return null;
    throw cause;
  }
}

async function writeFiles(folder: string, pack: VerifiedPack): Promise<void> {
  const record: VerifiedRecord = {
    name: pack.manifest.name,
    version: pack.manifest.version,
    digest: pack.digest,
    contentDigest: pack.contentDigest,
    signer: pack.signer,
  };
  const recordBytes = Buffer.from(`${JSON.stringify(record, null, 2)}\n`, "utf8");
  for (const { path, bytes } of [...pack.files, { path: RECORD_FILE, bytes: recordBytes }]) {
    const file = await open(join(folder, path), "wx", FILE_MODE);
    try {
      await file.writeFile(bytes);
      // The umask may have removed the right to read.
      await file.chmod(FILE_MODE);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what a killed admit left behind. */
async function removeStale(storeDir: string): Promise<void> {
  for (const name of await readdir(storeDir)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const path = join(storeDir, name);
    const since = await changedAt(path);
    if (Date.now() - since > TEMPORARY_LIFE_MS) await rm(path, { recursive: true, force: true });
  }
}

/**
 * Returns the time of the last change; the present time when a concurrent admit has just
 * removed it.
 */
async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return Date.now();
    throw cause;
  }
}
