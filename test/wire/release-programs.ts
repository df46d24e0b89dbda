import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { takeLock } from "@sonde/files";

const workspace = resolve(import.meta.dirname, "../..");
const BUILD_SECONDS = 300;

/** The commit of each release whose programs are run against the present ones. */
const COMMITS = { "0.1.0": "ed72a3d3c0d0b1cd3d7de9d1f9f50a729619b423" } as const;
export type EarlierRelease = keyof typeof COMMITS;

/**
 * Whether the sources of a release can be had. A clone without history lacks them, and says so
 * loudly: nothing that a machine can install brings them.
 */
export function hasSources(release: EarlierRelease): boolean {
  const commit = COMMITS[release];
  const found = spawnSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: workspace });
  if (found.status === 0) return true;
  const reason = `expected commit ${commit} of release ${release} in this clone: git fetch --unshallow`;
  process.stderr.write(`NOT CHECKED: programs of release ${release} with these: ${reason}\n`);
  return false;
}

/**
 * Builds the programs of an earlier release out of its sources and its own locked packages, once.
 *
 * @returns the folder of the bundles
 */
export function obtainRelease(release: EarlierRelease): string {
  const folder = join(workspace, "dist/releases-of-tests", COMMITS[release]);
  mkdirSync(join(folder, ".."), { recursive: true });
  const unlock = takeLock(`${folder}.lock`, BUILD_SECONDS);
  if (unlock === null) throw new Error(`another process has built ${folder} for too long`);
  const sources = mkdtempSync("/tmp/sonde-sources-");
  try {
    if (existsSync(folder)) return folder;
    const tar = execFileSync("git", ["archive", COMMITS[release]], {
      ...{ cwd: workspace, maxBuffer: 2 ** 28 },
    });
    execFileSync("tar", ["x", "-C", sources], { input: tar });
    run(sources, ["npx", "--yes", "pnpm@12.21.0", "install", "--frozen-lockfile"]);
    run(sources, [process.execPath, "scripts/bundle.mjs"]);
    // Without what links into the sources: the present packages of the same versions serve.
    rmSync(join(sources, "dist/node_modules"), { recursive: true });
    cpSync(join(sources, "dist"), `${folder}.new`, { recursive: true });
    renameSync(`${folder}.new`, folder);
    return folder;
  } finally {
    rmSync(sources, { recursive: true, force: true });
    unlock();
  }
}

function run(cwd: string, [command = "", ...args]: string[]): void {
  execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}
