import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

/**
 * Takes an exclusive flock(2) on a file, held until `release` or the end of the process.
 * Node has no flock, so the `flock` command takes it on an inherited descriptor. The lock
 * belongs to the open file description, which this process keeps.
 *
 * @returns a function that releases the lock
 * @throws SondeError STARTING_FAILED when another process holds it
 */
export function takeLock(path: string): () => void {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  const { status, error } = spawnSync("flock", ["--exclusive", "--nonblock", "3"], {
    stdio: ["ignore", "ignore", "ignore", fd],
    env: { PATH: "/usr/bin:/bin" },
    timeout: 10_000,
  });
  if (status === 0) return () => closeSync(fd);
  closeSync(fd);
  throw new SondeError(
    "STARTING_FAILED",
    error === undefined
      ? `${path}: expected to be the only process on this state, got another one holding the lock`
      : `${path}: expected the flock command of util-linux, got ${error.message}`,
  );
}
