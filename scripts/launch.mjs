// The entry of every `npm run` command. Plain JavaScript for Node 20. It installs the frozen
// workspace when the lockfile changed, finds a Node >= 24, starts the task and forwards signals.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const PNPM = "pnpm@12.21.0";
const OLDEST_NODE = 24;
const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const [task, ...args] = process.argv.slice(2);

/** Task -> the file to run, and whether the bundles must be up to date. */
const TASKS = new Map([
  ["start", { file: "cli/src/sonde.ts", first: ["start"], bundles: true }],
  ["sonde", { file: "cli/src/sonde.ts", first: [], bundles: false }],
  ["sonde-pack", { file: "cli/src/sonde-pack.ts", first: [], bundles: false }],
  ["demo-attack", { file: "cli/src/sonde.ts", first: ["demo-attack"], bundles: false }],
  ["test", { file: "scripts/test.mjs", first: [], bundles: true }],
  ["check", { file: "scripts/test.mjs", first: ["--static"], bundles: false }],
  ["generate", { file: "scripts/generate.mjs", first: [], bundles: false }],
  ["record-transcript", { file: "test/wire/record-transcript.ts", first: [], bundles: false }],
  ["publish-packs", { file: "scripts/publish-packs.mjs", first: [], bundles: false }],
  ["mutants", { file: "scripts/mutants.mjs", first: [], bundles: false }],
  ["bench", { file: "test/bench/main.ts", first: [], bundles: true }],
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
  process.stderr.write("Installing dependencies (frozen lockfile) ...\n");
  const { status } = spawnSync("npx", ["--yes", PNPM, "install", "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) fail(`Expected ${PNPM} to install the dependencies; it ended with ${status}.`);
  writeFileSync(stamp, wanted);
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

// The pipe on descriptor 3 closes when this launcher dies, which tells the task to end.
const child = spawn(
  node,
  [
    "--conditions=sonde:source",
    "--no-node-snapshot",
    join(root, chosen.file),
    ...chosen.first,
    ...args,
  ],
  {
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    env: { ...process.env, SONDE_PARENT_FD: "3" },
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
