import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { takeLock } from "@sonde/files";
import { readDebianSource } from "../../scripts/package/debian-source.mjs";

const run = promisify(execFile);

/** Kept between runs: building one takes half a minute, and the packages of a suite rarely change. */
export const CACHE = "/var/cache/sonde-test-hosts";
const BUILD_MS = 10 * 60_000;
const ALWAYS = ["systemd", "systemd-sysv", "dbus", "iproute2", "procps", "libfaketime"];

/** Takes away what is mounted beneath a folder. */
export async function unmountBeneath(folder: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  // The last one first: one that is taken away lazily takes those beneath it along.
  for (const path of mounts.toReversed()) await run("umount", ["--lazy", path]);
}

/**
 * Builds a Debian root filesystem of this machine's own release from its own package source, once
 * for each list of packages.
 *
 * @param packages Debian packages besides a booting minimal system
 * @returns its folder, which nobody may change: hosts lay an overlay over it
 * @throws Error with the output of mmdebstrap
 */
export async function prepareRootFilesystem(packages: readonly string[]): Promise<string> {
  const { suite, mirror } = readDebianSource();
  const included = [...new Set([...ALWAYS, ...packages])].toSorted();
  const key = createHash("sha256")
    .update(JSON.stringify([suite, mirror, included]))
    .digest("hex")
    .slice(0, 16);
  const folder = join(CACHE, key);
  mkdirSync(CACHE, { recursive: true });
  // Two runs may need it at once. The second waits and finds it built.
  const release = takeLock(join(CACHE, `${key}.lock`), BUILD_MS / 1000);
  if (release === null) throw new Error(`another process has built ${folder} for too long`);
  try {
    if (existsSync(folder)) return folder;
    const unfinished = `${folder}.new`;
    // One that was killed leaves the kernel's own filesystems mounted in it.
    await unmountBeneath(unfinished);
    rmSync(unfinished, { recursive: true, force: true });
    await run(
      "mmdebstrap",
      [
        ...["--variant=minbase", `--include=${included.join(",")}`],
        ...[suite, unfinished, `deb ${mirror} ${suite} main`],
      ],
      { timeout: BUILD_MS, maxBuffer: 64 * 1024 * 1024 },
    );
    renameSync(unfinished, folder);
    return folder;
  } finally {
    release();
  }
}
