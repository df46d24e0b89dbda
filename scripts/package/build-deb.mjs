import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { placeControl } from "./packages.mjs";
import { MTIME, settle, sizeOf } from "./staged-files.mjs";

/**
 * Makes the Debian package of a staged folder, which it changes.
 *
 * @param {{ root: string, staged: string, name: string, version: string, arch: string,
 *   file: string }} request `root` is the workspace, `arch` as Debian names it, `file` what to write
 */
export function buildDeb({ root, staged, name, version, arch, file }) {
  const size = String(Math.ceil(sizeOf(staged) / 1024));
  placeControl(name, { root, version, arch, size }, join(staged, "DEBIAN"));
  settle(staged);
  const words = ["--root-owner-group", "-Zxz", "-z1", "--threads-max=1", "--build", staged, file];
  execFileSync("dpkg-deb", words, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { PATH: process.env.PATH, SOURCE_DATE_EPOCH: String(MTIME) },
  });
}
