import { lstatSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { readOwnedFile, requireOwnPath, takeLock } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import type { DataLayout } from "../data-layout.ts";

/** The supervisor that a data folder belongs to, as its lock file says. */
type Owner = {
  pid: number;
  since: string;
  /** Where its hub answers; null until the hub is ready. */
  hub: string | null;
};

const MAX_LOCK_BYTES = 4096;
const WRITABLE_BY_ALL = 0o002;
const READ_TRIES = 20;
const READ_PAUSE_MS = 50;

/**
 * Makes the data folder when it is missing, and takes it for this process until that ends, however
 * it ends. Nothing else in the folder may be written before.
 *
 * @returns a function that tells later starts where the hub of this folder answers
 * @throws SondeError ALREADY_RUNNING naming the owner; RIGHT_MISSING for a folder that is another's
 */
export async function ownDataFolder(layout: DataLayout): Promise<(hub: string) => void> {
  requireOwnFolder(requireOwnPath(layout.root, true));
  if (takeOwnerLock(layout) === null) throw describeOwner(layout, await readOwner(layout));
  const owner: Owner = { pid: process.pid, since: new Date().toISOString(), hub: null };
  const write = (): void => writeFileSync(layout.ownerLock, `${JSON.stringify(owner)}\n`);
  write();
  return (hub) => {
    owner.hub = hub;
    write();
  };
}

/** Others could put a link in place of the lock file, which is written here before anything else. */
function requireOwnFolder(path: string): void {
  const { uid, mode } = lstatSync(path);
  if (uid === process.getuid?.() && (mode & WRITABLE_BY_ALL) === 0) return;
  throw new SondeError(
    "RIGHT_MISSING",
    `expected ${path} to belong to this user alone, got owner ${uid} and mode ${(mode & 0o7777).toString(8)}; choose another with --data`,
  );
}

function takeOwnerLock(layout: DataLayout): (() => void) | null {
  try {
    return takeLock(layout.ownerLock);
  } catch (cause) {
    throw new SondeError(
      "RIGHT_MISSING",
      `expected a data folder of this user, but ${layout.root} is another's; choose another with --data`,
      { cause },
    );
  }
}

/** The owner writes its file right after it took the lock, so it may be a moment late. */
async function readOwner(layout: DataLayout): Promise<Owner | null> {
  for (let tries = 0; tries < READ_TRIES; tries++) {
    const owner = parseOwner(
      readOwnedFile(layout.ownerLock, [process.getuid?.() ?? 0], MAX_LOCK_BYTES).toString(),
    );
    if (owner !== null) return owner;
    await sleep(READ_PAUSE_MS);
  }
  return null;
}

function parseOwner(text: string): Owner | null {
  return text.endsWith("\n") ? (parseJson(text, "owner.lock", "CONFIG_INVALID") as Owner) : null;
}

function describeOwner({ root }: DataLayout, owner: Owner | null): SondeError {
  const who = owner === null ? "another process" : `process ${owner.pid} since ${owner.since}`;
  const where =
    owner === null || owner.hub === null ? "it has no hub yet" : `its hub answers at ${owner.hub}`;
  return new SondeError("ALREADY_RUNNING", `the data folder ${root} is in use by ${who}; ${where}`);
}
