// The entry of every `npm run` command. Plain JavaScript for Node 20. It installs the frozen
// workspace when the lockfile changed, finds a Node >= 24, starts the task and forwards signals.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 24;
const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const [task, ...args] = process.argv.slice(2);

/**
 * Task -> the file to run, whether the bundles must be up to date, and whether it runs for so long
 * that its memory counts.
 */
const TASKS = new Map([
  ["start", { file: "dist/cli/start.js", first: ["start"], bundles: true, stays: true }],
  ["sonde", { file: "dist/cli/sonde.js", first: [], bundles: true }],
  ["sonde-pack", { file: "cli/src/sonde-pack.ts", first: [], bundles: false }],
  ["demo-attack", { file: "dist/cli/sonde.js", first: ["demo-attack"], bundles: true }],
  ["test", { file: "scripts/test.mjs", first: [], bundles: true }],
  ["test-hosts", { file: "scripts/test.mjs", first: ["--hosts"], bundles: true }],
  ["check", { file: "scripts/test.mjs", first: ["--static"], bundles: false }],
  ["generate", { file: "scripts/generate.mjs", first: [], bundles: false }],
  ["record-evidence", { file: "test/evidence/record-vectors.ts", first: [], bundles: false }],
  ["record-transcript", { file: "test/wire/record-transcript.ts", first: [], bundles: false }],
  ["publish-packs", { file: "scripts/publish-packs.mjs", first: [], bundles: false }],
  ["mutants", { file: "scripts/mutants.mjs", first: [], bundles: false }],
  ["package", { file: "scripts/package.mjs", first: [], bundles: true }],
  ["bench", { file: "test/bench/main.ts", first: [], bundles: true }],
  ["soak", { file: "test/soak/main.ts", first: [], bundles: true }],
]);

/** @returns {never} */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function installWhenChanged() {
  const stamp = join(root, "node_modules/.sonde-lockfile");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  process.stderr.write("Installing the dependencies (once, and when they change) ...\n");
  const pnpm = fetchPackageRunner();
  runQuietly(pnpm, ["install", "--frozen-lockfile", "--reporter=append-only"], root);
  writeFileSync(stamp, wanted);
}

/**
 * The package manager runs with the rights of whoever starts this, root included. So npm fetches
 * exactly the bytes that scripts/pnpm/package-lock.json names by their hash, and runs no script.
 */
function fetchPackageRunner() {
  const folder = join(root, "scripts/pnpm");
  runQuietly("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder);
  const pnpm = join(folder, "node_modules/@pnpm", `exe.linux-${process.arch}`, "pnpm");
  // npm leaves out an optional package that it cannot get, or that has another hash.
  if (existsSync(pnpm)) return pnpm;
  return fail(
    `Expected pnpm for linux-${process.arch} with the hash in scripts/pnpm/package-lock.json; npm got none.`,
  );
}

/** Shows what the command said only when it failed. */
function runQuietly(command, given, cwd) {
  const { status, error, output } = spawnSync(command, given, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return;
  process.stderr.write(output?.join("") ?? "");
  fail(`Expected ${command} to install the dependencies; got ${error?.message ?? status}.`);
}

function findNode() {
  const [major] = process.versions.node.split(".");
  if (Number(major) >= OLDEST_NODE) return process.execPath;
  const folder = readdirSync(join(root, "node_modules")).find((name) =>
    name.startsWith("node-linux-"),
  );
  const packaged = folder && join(root, "node_modules", folder, "bin/node");
  if (packaged && existsSync(packaged)) return packaged;
  return fail(`Expected Node ${OLDEST_NODE} or newer, found ${process.version}.`);
}

const chosen = TASKS.get(task);
if (chosen === undefined) fail(`Expected one of ${[...TASKS.keys()].join(", ")}; got ${task}.`);
installWhenChanged();
const node = findNode();
if (chosen.bundles) {
  const { status } = spawnSync(node, [join(root, "scripts/bundle.mjs")], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) fail("Expected the sources to bundle; see the errors above.");
}

/** As for a service; see serviceFlags and asAccount in cli/src/start. */
const SMALL = {
  flags: ["--max-semi-space-size=1", "--no-short-builtin-calls"],
  env: { MALLOC_ARENA_MAX: "1", MALLOC_MMAP_THRESHOLD_: "131072" },
};
const { flags, env } = chosen.stays ? SMALL : { flags: [], env: {} };

// The pipe on descriptor 3 closes when this launcher dies, which tells the task to end.
const child = spawn(
  node,
  [
    "--conditions=sonde:source",
    "--no-node-snapshot",
    ...flags,
    join(root, chosen.file),
    ...chosen.first,
    ...args,
  ],
  {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    // Only the programs of cli/ read it. Others would hand the name on to processes that do not have
    // the descriptor.
    env: {
      ...process.env,
      ...env,
      SONDE_PARENT_FD: /^(cli|dist\/cli)\//.test(chosen.file) ? "3" : undefined,
    },
  },
);
child.stdio[3].on("error", () => undefined);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => fail(`Cannot start ${node}: ${error.message}`));
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
