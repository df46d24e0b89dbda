import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

/** Exit status of flock(1) for a lock that another process holds; other failures have others. */
const HELD = 113;

/**
 * Takes an exclusive flock(2) on a file, held until it is released or this process ends,
 * however it ends. Node has no flock, so the `flock` command takes it on an inherited
 * descriptor. The lock belongs to the open file description, which only this process keeps.
 *
 * @param path made when missing, readable by this user alone; its folder must be this user's
 * @param waitSeconds how long to wait for another holder; this process does nothing meanwhile
 * @returns a function that releases the lock; null when another process holds it
 * @throws SondeError STARTING_FAILED when the lock cannot be asked for
 */
export function takeLock(path: string, waitSeconds = 0): (() => void) | null {
  const fd = openLock(path);
  const wait = waitSeconds === 0 ? ["--nonblock"] : ["--timeout", String(waitSeconds)];
  const { status, error } = spawnSync(
    "flock",
    ["--exclusive", "--conflict-exit-code", String(HELD), ...wait, "3"],
    {
      stdio: ["ignore", "ignore", "ignore", fd],
      env: { PATH: "/usr/bin:/bin" },
      timeout: (waitSeconds + 10) * 1000,
    },
  );
  if (status === 0) return () => closeSync(fd);
  closeSync(fd);
  if (status === HELD) return null;
  const got = error?.message ?? `exit status ${status}`;
  throw new SondeError(
    "STARTING_FAILED",
    `${path}: expected the flock command of util-linux to lock it, got ${got}`,
  );
}

function openLock(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw new SondeError("STARTING_FAILED", `${path}: expected a file to lock, cannot open it`, {
      cause,
    });
  }
}
