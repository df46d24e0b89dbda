// `npm test` and `npm run check`: runs all checks, the fastest first.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openChanges } from "./changes.mjs";
import { concerns, filesToRepeat, HELP, readWords, sayEnd } from "./test-plan.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** @returns {never} */
function refuse(message) {
  process.stderr.write(`${message}\n\n${HELP}\n`);
  process.exit(2);
}

const words = readWords(process.argv.slice(2));
if ("refusal" in words) refuse(words.refusal);
if (words.help) {
  process.stdout.write(`${HELP}\n`);
  process.exit(0);
}

/** Folder of the package with that name or path. */
function findPackage(name) {
  const places = [name, `foundation/${name}`, `agent/${name}`, `packs/${name}`];
  const found = places.find((place) => existsSync(join(root, place, "package.json")));
  return found ?? refuse(`Expected --package to name a package of this workspace, got ${name}.`);
}

/** Resolves a path relative to the folder in which it was typed. */
function findPath(path) {
  const from = process.env.INIT_CWD ?? process.cwd();
  const found = [from, root].map((base) => resolve(base, path)).find((place) => existsSync(place));
  if (found === undefined) return refuse(`There is no file or folder ${path}.`);
  if (!statSync(found).isDirectory() && !found.endsWith(".test.ts")) {
    return refuse(`Expected a file of tests (*.test.ts) or a folder, got ${path}.`);
  }
  const inside = relative(root, found);
  return statSync(found).isDirectory() ? `${inside}/` : inside;
}

function findChanged() {
  const git = openChanges(root);
  const base =
    git.forkPoint(words.base ?? "main") ?? (words.base === undefined ? git.head() : null);
  if (base === null) refuse(`Git knows no commit ${words.base ?? "at all"} to compare with.`);
  const files = [...git.since(base).keys()];
  process.stdout.write(`${files.length} files differ from ${base.slice(0, 9)}\n`);
  return files;
}

const bin = (name) => join(root, "node_modules/.bin", name);
const node = (...args) => [
  process.execPath,
  "--conditions=sonde:source",
  "--no-node-snapshot",
  ...args,
];
const temporary = mkdtempSync(join(tmpdir(), "sonde-test-run-"));
const testReport = join(temporary, "tests.json");
const mutantReport = join(temporary, "mutants.json");

const vitest = (...args) =>
  node("node_modules/vitest/vitest.mjs", "run", "--reporter=default", ...args);
/** @param {string[]} paths empty: all */
const tests = (...paths) => [
  "tests",
  vitest("--reporter=json", `--outputFile.json=${testReport}`, ...paths),
];
/** @param {string[]} which */
const mutants = (...which) => [
  "mutants",
  node("scripts/mutants.mjs", "--report", mutantReport, ...which),
];
/** @param {string[]} files empty: all */
const checks = (files = []) => [
  ["types", [bin("tsc"), "-p", "tsconfig.json"]],
  ["types of packs", [bin("tsc"), "-p", "tsconfig.guest.json"]],
  ["types of views", [bin("tsc"), "-p", "hub/src/mcp/views/page/tsconfig.json"]],
  ["types of the console", [bin("tsc"), "-p", "hub/web/src/page/tsconfig.json"]],
  ["types of pages", [bin("tsc"), "-p", "hub/src/people/page/tsconfig.json"]],
  ["lint", [bin("oxlint"), "--type-aware", "--deny-warnings", ...concerns("lint", files)]],
  [
    "format",
    files.length === 0
      ? [bin("biome"), "format", "."]
      : [bin("biome"), "format", "--no-errors-on-unmatched", ...files],
  ],
  ["generated schemas", node("scripts/generate.mjs", "--check")],
  ["unused code", [bin("knip")]],
];

/** @returns {[string, string[]][]} */
function planSteps() {
  if (words.paths.length > 0) return [tests(...words.paths.map(findPath))];
  if (words.package !== undefined) {
    const place = findPackage(words.package);
    return [
      ...checks(),
      tests(`${place}/`, "test/architecture.test.ts"),
      mutants("--package", place),
    ];
  }
  if (words.changed) {
    const files = findChanged();
    return checks(files).filter(([name]) => concerns(name, files).length > 0);
  }
  if (words.twoHubs) return [tests("test/end-to-end/", "test/attacks/")];
  if (words.hosts) return [tests("test/hosts/", "test/incidents/")];
  if (words.static) return checks();
  return [...checks(), tests(), ...(words.mutants ? [mutants("--changed")] : [])];
}

const steps = planSteps();
// The bin scripts of some tools find node on the PATH; it must be the one that runs this.
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  ...(words.twoHubs && { SONDE_TEST_HUBS: "2" }),
  ...(words.hosts && { SONDE_TEST_HOSTS: "all" }),
};
/** @returns {boolean} whether the command succeeded */
function run([command, ...args]) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env,
  });
  return status === 0;
}
const read = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null);

/**
 * Runs the files with a failed test once more, each alone on the machine (ADR 0048). Whoever named
 * the files wants to see them fail.
 *
 * @returns {boolean} whether all passed
 */
function passesAlone() {
  const files = filesToRepeat(read(testReport));
  if (files.length === 0 || words.paths.length > 0) return false;
  process.stdout.write(`\n== tests: ${files.length} files once more, each alone\n`);
  return run(vitest("--no-file-parallelism", ...files));
}

const failed = [];
let isUnsteady = false;
for (const [name, command] of steps) {
  // Mutants run only when the tests pass: a failure on a mutant proves nothing when the sources
  // fail too, and the failure must stay the last output.
  if (name === "mutants" && failed.length > 0) {
    process.stdout.write(`\n== ${name}: not run, since something before them failed\n`);
    failed.push(name);
    continue;
  }
  const started = performance.now();
  process.stdout.write(`\n== ${name}\n`);
  const isFirstTime = run(command);
  isUnsteady ||= name === "tests" && !isFirstTime && passesAlone();
  const isOk = isFirstTime || (name === "tests" && isUnsteady);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`== ${name}: ${isOk ? "ok" : "FAILED"} in ${seconds} s\n`);
  if (!isOk) failed.push(name);
}
process.stdout.write(
  sayEnd({
    root,
    steps: steps.length,
    failed,
    isUnsteady,
    tests: read(testReport),
    mutants: read(mutantReport),
  }),
);
rmSync(temporary, { recursive: true, force: true });
process.exit(failed.length === 0 ? 0 : 1);
