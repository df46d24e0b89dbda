// `npm test`: everything that must hold, in the order in which it fails fastest.
//   npm test                  all of it
//   npm test -- --static      types, lint, format, generated files, unused code
//   npm test -- --no-mutants  all but the mutants
import { spawnSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const options = new Set(process.argv.slice(2));
const bin = (name) => join(root, "node_modules/.bin", name);
const node = (...args) => [
  process.execPath,
  "--conditions=sonde:source",
  "--no-node-snapshot",
  ...args,
];

/** @type {[string, string[]][]} */
const STATIC = [
  ["types", [bin("tsc"), "-p", "tsconfig.json"]],
  ["types of packs", [bin("tsc"), "-p", "tsconfig.guest.json"]],
  ["lint", [bin("oxlint"), "--type-aware", "--deny-warnings"]],
  ["format", [bin("biome"), "format", "."]],
  ["generated schemas", node("scripts/generate.mjs", "--check")],
  ["unused code", [bin("knip")]],
];
/** @type {[string, string[]][]} */
const TESTS = [["tests", node("node_modules/vitest/vitest.mjs", "run")]];
/** @type {[string, string[]][]} */
const MUTANTS = [["mutants", node("scripts/mutants.mjs")]];

const steps = [
  ...STATIC,
  ...(options.has("--static") ? [] : TESTS),
  ...(options.has("--static") || options.has("--no-mutants") ? [] : MUTANTS),
];
// The bin scripts of some tools find node on the PATH; it must be the one we run on.
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
const failed = [];
for (const [name, [command, ...args]] of steps) {
  // A mutant's red says nothing where the sources themselves are red; and what failed stays the last thing said.
  if (name === "mutants" && failed.length > 0) {
    process.stdout.write(`\n== ${name}: not run, since something before them failed\n`);
    failed.push(name);
    continue;
  }
  const started = performance.now();
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`== ${name}: ${status === 0 ? "ok" : "FAILED"} in ${seconds} s\n`);
  if (status !== 0) failed.push(name);
}
process.stdout.write(`\nsteps: ${steps.length - failed.length} passed, ${failed.length} failed\n`);
process.exit(failed.length === 0 ? 0 : 1);
