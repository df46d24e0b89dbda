import { cpSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { debianVersion, placeControl } from "./packages.mjs";
import { listFiles, readTar, settle } from "./staged-files.mjs";

/**
 * Makes the archive with which any Linux host installs a package: its files, the same scripts that
 * Debian runs, and `install` and `uninstall`, which do what dpkg(1) does with them.
 *
 * @param {{ root: string, staged: string, name: string, version: string, arch: string,
 *   file: string }} request as of buildDeb; `staged` is moved away
 */
export function buildTar({ root, staged, name, version, arch, file }) {
  const top = `${name}-${version}`;
  const folder = `${staged}.tar`;
  const place = join(folder, top);
  mkdirSync(place, { recursive: true });
  renameSync(staged, join(place, "root"));
  placeControl(name, { root, version, arch, size: "0" }, join(place, "control"));
  for (const script of ["install", "uninstall"]) {
    cpSync(join(root, "scripts/package/tar", script), join(place, script));
  }
  writeFileSync(join(place, "about"), `${name} ${debianVersion(version)} ${arch}\n`);
  // The modes that the files must have, because whoever unpacks them has a umask.
  const lines = listFiles(join(place, "root")).map(
    ({ name: path, mode }) => `${mode.toString(8)} ${path}\n`,
  );
  writeFileSync(join(place, "files"), lines.join(""));
  settle(folder);
  writeFileSync(file, gzipSync(readTar(folder, top)));
}
