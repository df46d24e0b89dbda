import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { isErrorCode, SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";

/** What the hub's backup program says of a backup that it wrote or read. */
export type BackupAnswer = {
  release: string;
  hubId: string;
  at: string;
  auditHead: { size: number; hash: string };
  files: number;
};

/** A hub's data folder, and the backup program as the user who owns it. */
export type BackupPlace = {
  hub: string;
  /** Null where all is one user's. */
  owner: { uid: number; gid: number } | null;
  program: { command: string; args: string[] };
};

/** How the commands find a hub. */
export type BackupHome = {
  /** The folder of its `hub.json`. */
  configFolder: string;
  /** @throws SondeError NOT_FOUND */
  toBackUp(): BackupPlace;
  /** @throws SondeError when the hub runs, or another than a restored one would start afterwards */
  toRestore(): Promise<BackupPlace>;
  /** The command that starts a restored hub. */
  next: string;
};

const MAX_SAID = 64 * 1024;

/**
 * Writes a backup to a new file. Under that name it is whole and durable, or it is not there.
 *
 * @throws SondeError BACKUP_FAILED, DATABASE_UNAVAILABLE, BAD_REQUEST for a name that exists
 */
export async function writeBackup(
  place: BackupPlace,
  order: { action: "backup"; config: string; seal: object },
  file: string,
): Promise<BackupAnswer> {
  const temporary = join(dirname(file), `.${basename(file)}.${process.pid}.new`);
  const fd = openSync(temporary, "wx", 0o600);
  try {
    const answer = await runProgram(place, order, ["ignore", fd]);
    fsyncSync(fd);
    // Fails where a file of this name was made meanwhile.
    linkSync(temporary, file);
    syncFolder(dirname(file));
    return answer;
  } finally {
    closeSync(fd);
    rmSync(temporary, { force: true });
  }
}

/**
 * Makes a hub's data folder from a backup. Under its name it is whole and durable, or it is not there,
 * also when this process is killed.
 *
 * @throws SondeError BACKUP_INVALID, BACKUP_FAILED
 */
export async function readBackup(
  place: BackupPlace,
  file: string,
  unseal: object,
): Promise<BackupAnswer> {
  const fd = openSync(file, "r");
  const { hub, owner } = place;
  const staging = `${hub}.restoring`;
  try {
    // Left by a restore that was killed.
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging, { mode: 0o700 });
    if (owner !== null) chownSync(staging, owner.uid, owner.gid);
    const order = { action: "restore", dataDir: staging, unseal };
    const answer = await runProgram(place, order, [fd, "ignore"]);
    // rename(2) puts a folder in the place of an empty one, and of no other.
    renameSync(staging, hub);
    syncFolder(dirname(hub));
    return answer;
  } finally {
    closeSync(fd);
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Runs the program as the hub's user. The order, which has a secret, goes through a pipe. */
async function runProgram(
  { program: { command, args } }: BackupPlace,
  order: object,
  [input, output]: ["ignore" | number, "ignore" | number],
): Promise<BackupAnswer> {
  const child = spawn(command, args, { cwd: "/", stdio: [input, output, "pipe", "pipe"] });
  (child.stdio[3] as Writable).end(JSON.stringify(order));
  return readAnswer(child, await readSaid(child));
}

async function readSaid(child: ChildProcess): Promise<string> {
  let said = "";
  (child.stderr as Readable).on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-MAX_SAID);
  });
  await once(child, "close");
  return said.trim().split("\n").at(-1) ?? "";
}

function readAnswer({ exitCode, signalCode }: ChildProcess, said: string): BackupAnswer {
  if (!said.startsWith("{")) {
    const how = signalCode ?? `status ${exitCode}`;
    throw new SondeError("BACKUP_FAILED", `the program ended with ${how}: ${said.slice(0, 300)}`);
  }
  const answer = parseJson(Buffer.from(said), "the program's answer", "BACKUP_FAILED");
  if (exitCode === 0) return answer as BackupAnswer;
  const { code, message } = (answer as { error: { code: string; message: string } }).error;
  throw new SondeError(isErrorCode(code) ? code : "BACKUP_FAILED", message);
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  fsyncSync(folder);
  closeSync(folder);
}
