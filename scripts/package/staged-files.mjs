// Makes the bytes of a package the same in every build, whatever the day, the user and the umask.
import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join, relative } from "node:path";

/** Seconds since 1970 of every file in a package: 2020-01-01. A build's own day would show in its bytes. */
export const MTIME = 1_577_836_800;
const MAX_BYTES = 1024 * 1024 * 1024;

/** Gives every file and folder below `path` the mode and the time that it has in each build. */
export function settle(path) {
  for (const { path: file, mode } of walk(path)) {
    chmodSync(file, mode);
    utimesSync(file, MTIME, MTIME);
  }
}

/** @returns {number} the bytes of all files below `path` */
export function sizeOf(path) {
  return listFiles(path).reduce((sum, { size }) => sum + size, 0);
}

/**
 * @param {string} folder
 * @returns {{ name: string, mode: number, size: number }[]} every file below it, in a fixed order;
 *   `name` is relative
 */
export function listFiles(folder) {
  return walk(folder)
    .filter(({ stats }) => !stats.isDirectory())
    .map(({ path, mode, stats }) => ({ name: relative(folder, path), mode, size: stats.size }));
}

/**
 * @param {string} folder
 * @param {string} name of what in it goes into the archive
 * @returns {Buffer} a tar archive that does not show who made it, or when
 */
export function readTar(folder, name) {
  const words = [
    ...["--create", "--format=ustar", "--sort=name", `--mtime=@${MTIME}`],
    ...["--owner=root:0", "--group=root:0", "--directory", folder, name],
  ];
  return execFileSync("tar", words, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
    maxBuffer: MAX_BYTES,
  });
}

/** What lies in a folder comes before the folder, because to write to it changes its time. */
function walk(path) {
  const stats = statSync(path);
  const mode = modeOf(path, stats);
  if (!stats.isDirectory()) return [{ path, mode, stats }];
  const inside = readdirSync(path).sort((a, b) => (a < b ? -1 : 1));
  return [...inside.flatMap((name) => walk(join(path, name))), { path, mode, stats }];
}

function modeOf(path, stats) {
  // A service may run Node, and not read it: see docs/adr/0022-runner-sockets.md.
  if (/\/usr\/lib\/[a-z-]+\/node$/.test(path)) return 0o711;
  return stats.isDirectory() || (stats.mode & 0o100) !== 0 ? 0o755 : 0o644;
}
