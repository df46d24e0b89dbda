import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { takeLock } from "@sonde/files";

const workspace = resolve(import.meta.dirname, "../..");
const BUILD_SECONDS = 600;

/** How a build is started: its user, umask and time zone, which must not show in its bytes. */
export type BuildOptions = {
  out: string;
  only: string;
  command?: string[];
  timeZone?: string;
  /** Further options of the script. */
  more?: string[];
};

/** Builds packages for this machine's architecture in a workspace whose programs are bundled. */
export function buildPackages(place: string, options: BuildOptions): void {
  const { out, only, command = [], timeZone = "UTC", more = [] } = options;
  const script = join(place, "scripts/package.mjs");
  const words = [process.execPath, "--conditions=sonde:source", script, "--arch", "amd64"];
  run([...command, ...words, "--only", only, "--out", out, ...more], {
    ...process.env,
    TZ: timeZone,
  });
}

export function bundlePrograms(place: string, command: string[] = []): void {
  run([...command, process.execPath, join(place, "scripts/bundle.mjs")], process.env);
}

/**
 * The packages of these sources, built once for all test files.
 *
 * @param only names of packages, such as `sonde-agent,sonde-hub`
 * @param release a number in place of the one of these sources
 * @returns the folder with them
 */
export function obtainPackages(only: string, release?: string): string {
  bundlePrograms(workspace);
  const key = createHash("sha256").update(`${only} ${release ?? ""}`);
  const sources = globSync("scripts/package{.mjs,/**/*}", { cwd: workspace, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const file of [join(workspace, "dist/.stamp"), ...sources.toSorted()]) {
    key.update(readFileSync(file));
  }
  const folder = join(workspace, "dist/packages-of-tests", key.digest("hex").slice(0, 16));
  mkdirSync(join(folder, ".."), { recursive: true });
  const unlock = takeLock(`${folder}.lock`, BUILD_SECONDS);
  if (unlock === null) throw new Error(`another process has built ${folder} for too long`);
  try {
    if (existsSync(folder)) return folder;
    const out = `${folder}.new`;
    if (release === undefined) buildPackages(workspace, { out, only });
    else buildRelease(release, { out, only });
    renameSync(out, folder);
    return folder;
  } finally {
    unlock();
  }
}

/** As a release is made: its number is set in the sources. */
function buildRelease(release: string, options: BuildOptions): void {
  const place = mkdtempSync("/tmp/sonde-release-");
  try {
    copyWorkspace(place, release);
    bundlePrograms(place);
    buildPackages(place, options);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/**
 * Copies these sources into a new folder, with what they need, as those of another release when one
 * is given. A link to this workspace's `node_modules` would show in the bytes of the programs.
 */
export function copyWorkspace(to: string, release?: string): void {
  const modules = join(workspace, "node_modules");
  cpSync(workspace, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/\/(\.git|dist)$/.test(path) && path !== modules,
  });
  run(["cp", "--archive", modules, join(to, "node_modules")], process.env);
  if (release === undefined) return;
  for (const file of ["package.json", "schemas/src/release.ts"]) {
    const path = join(to, file);
    writeFileSync(path, readFileSync(path, "utf8").replace('"0.1.0"', `"${release}"`));
  }
}

function run([command = "", ...args]: string[], env: NodeJS.ProcessEnv): void {
  execFileSync(command, args, { env, stdio: ["ignore", "ignore", "inherit"] });
}
