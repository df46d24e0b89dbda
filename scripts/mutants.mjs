// Applies each mutant of test/mutants/ to a copy of the sources, one at a time,
// and fails when the named test stays green: a check nobody would miss is no check.
//   node scripts/mutants.mjs [--json] [NAME...]
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "test/mutants");
const LIMIT_MS = 120_000;
/** Runs mostly wait: for processes, databases and deadlines. */
const WORKERS = 2 * availableParallelism();
const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));

function loadMutants() {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => ({
      name: file.slice(0, -5),
      ...JSON.parse(readFileSync(join(folder, file), "utf8")),
    }))
    .filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)));
}

/** A copy that shares node_modules, so that the working tree is never touched. */
function copyWorkspace() {
  const copy = mkdtempSync(join(tmpdir(), "sonde-mutants-"));
  // As root, tests run services as users of their own, who must be able to enter.
  chmodSync(copy, 0o755);
  cpSync(root, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !/\/(\.git|dist|\.sonde)$/.test(path) && path !== join(root, "node_modules"),
  });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** The tests that the last run found, with or without a verdict. None: the file did not load. */
function readTests(report) {
  if (!existsSync(report)) return [];
  const { testResults } = JSON.parse(readFileSync(report, "utf8"));
  return testResults.flatMap(({ assertionResults }) => assertionResults);
}

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Runs the named test file in the copy, or that one case of it. */
function runTest(copy, mutant) {
  return new Promise((done) => {
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const report = join(copy, "report.json");
    rmSync(report, { force: true });
    const child = spawn(
      process.execPath,
      [
        ...[vitest, "run", "--bail=1", "--reporter=json", `--outputFile=${report}`],
        `--fsModuleCachePath=${join(copy, ".vitest-cache")}`,
        ...(mutant.case === undefined ? [] : ["-t", `^${escape(mutant.case)}$`]),
        mutant.test,
      ],
      {
        cwd: copy,
        stdio: ["ignore", "pipe", "pipe"],
        timeout: LIMIT_MS,
        killSignal: "SIGKILL",
      },
    );
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (_, signal) => done({ signal, output, tests: readTests(report) }));
  });
}

/** What a run of the test says about the sources as they lie in the copy. */
async function askTest(copy, mutant) {
  const { signal, output, tests } = await runTest(copy, mutant);
  // Ended at the limit: without the check the test does not come to an end, which is not green.
  if (signal !== null) return { verdict: "red", by: "its limit of time" };
  const failed = tests.find(({ status }) => status === "failed");
  if (failed !== undefined) return { verdict: "red", by: failed.fullName };
  if (tests.some(({ status }) => status === "passed")) return { verdict: "green" };
  const isMissing = tests.length > 0 && tests.every(({ fullName }) => fullName !== mutant.case);
  if (isMissing) return { verdict: "none", why: `has no test named "${mutant.case}"` };
  // A test file that no longer loads proves nothing about the check.
  return { verdict: "none", why: `did not run: ${output.slice(-300)}` };
}

/** @returns the test that missed the check; throws an Error that says what is wrong */
async function judge(copy, mutant) {
  const path = join(copy, mutant.file);
  const original = readFileSync(path, "utf8");
  if (/^test\/(end-to-end|attacks)\//.test(mutant.test)) {
    throw new Error(
      "its test must run on source: an end-to-end test installs and bundles a workspace of its own",
    );
  }
  if (original.split(mutant.find).length !== 2) {
    throw new Error("its `find` must occur exactly once in the file");
  }
  writeFileSync(
    path,
    original.replace(mutant.find, () => mutant.replace),
  );
  try {
    const { verdict, by, why } = await askTest(copy, mutant);
    if (verdict === "red") return by;
    throw new Error(`${mutant.test} ${verdict === "green" ? "stayed green" : why}`);
  } finally {
    writeFileSync(path, original);
  }
}

const mutants = loadMutants();
const queue = [...mutants];
const survivors = [];
async function work(copy) {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const started = performance.now();
    const line = await judge(copy, mutant).then(
      (by) => `red   ${mutant.name}: ${by}`,
      (error) => {
        survivors.push(mutant.name);
        return `GREEN ${mutant.name}: ${error.message}`;
      },
    );
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${line} (${seconds} s)\n`);
  }
}
const copies = Array.from({ length: WORKERS }, copyWorkspace);
await Promise.all(copies.map(work));
for (const copy of copies) rmSync(copy, { recursive: true, force: true });
process.stdout.write(
  `mutants: ${mutants.length - survivors.length} passed, ${survivors.length} failed\n`,
);
process.exit(mutants.length === 0 || survivors.length > 0 ? 1 : 0);
