// Applies each mutant of test/mutants/ to a copy of the sources, one at a time,
// and fails when the named test stays green: a check nobody would miss is no check.
//   node scripts/mutants.mjs [--json] [NAME...]
import { fork } from "node:child_process";
import {
  chmodSync,
  cpSync,
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
const LIMIT_MS = 90_000;
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

/** A copy of the workspace with a process that runs tests in it, one at a time. */
function openWorkplace() {
  const copy = copyWorkspace();
  let worker;
  const end = () => {
    if (worker === undefined) return;
    const { pid } = worker;
    worker = undefined;
    // With all that its tests have started.
    process.kill(-pid, "SIGKILL");
  };
  return {
    copy,
    /** @returns what the worker says of the run; null when it had to be ended at the limit */
    ask(question) {
      worker ??= fork(join(root, "scripts/mutant-worker.mjs"), { cwd: copy, detached: true });
      const { promise, resolve: done, reject } = Promise.withResolvers();
      const timer = setTimeout(() => {
        end();
        done(null);
      }, LIMIT_MS);
      const died = (code) => {
        worker = undefined;
        reject(new Error(`the process that runs tests ended with ${code}`));
      };
      worker.once("message", done).once("exit", died);
      const asked = worker;
      asked.send(question);
      return promise.finally(() => {
        clearTimeout(timer);
        asked.off("message", done).off("exit", died);
      });
    },
    /** The next question meets a process that has seen nothing yet. */
    restart: end,
    close() {
      end();
      rmSync(copy, { recursive: true, force: true });
    },
  };
}

/**
 * What the test says about the sources as they lie in the copy, and which of its
 * cases. What is not as it must be is asked again of a fresh process.
 */
async function askTest(workplace, mutant, expected) {
  const first = await askOnce(workplace, mutant);
  if (first.verdict === expected) return first;
  workplace.restart();
  return await askOnce(workplace, mutant);
}

async function askOnce(workplace, mutant) {
  const answer = await workplace.ask({
    test: mutant.test,
    case: mutant.case,
    changed: mutant.file,
  });
  // Ended at the limit: without the check the test does not come to an end, which is not green.
  if (answer === null) return { verdict: "red", by: "did not come to an end" };
  const { tests, errors } = answer;
  const failed = tests.find(({ state }) => state === "failed");
  if (failed !== undefined) return { verdict: "red", by: failed.name };
  const isNamed = mutant.case === undefined || tests.some(({ name }) => name === mutant.case);
  if (tests.length > 0 && !isNamed) return { verdict: `has no case "${mutant.case}"` };
  if (tests.some(({ state }) => state === "passed")) return { verdict: "green" };
  // A test file that no longer loads proves nothing about the check.
  return { verdict: `did not run: ${errors.join("; ")}` };
}

/** @returns the case that missed the check; throws an Error that says what is wrong */
async function judge(workplace, mutant) {
  const path = join(workplace.copy, mutant.file);
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
    const { verdict, by } = await askTest(workplace, mutant, "red");
    if (verdict === "red") return by;
    throw new Error(`${mutant.test} ${verdict === "green" ? "stayed green" : verdict}`);
  } finally {
    writeFileSync(path, original);
  }
}

/** Red on a mutant means something only where the same is green on the sources as they are. */
async function requireGreen(workplace, mutant) {
  const { verdict, by } = await askTest(workplace, mutant, "green");
  if (verdict === "green") return;
  throw new Error(
    `without any mutant ${mutant.test} is ${verdict} (${by ?? mutant.case}), run like this`,
  );
}

const mutants = loadMutants();
// Neighbours share a test file, so that what it needs is transformed already.
const queue = mutants.toSorted((a, b) => (a.test < b.test ? -1 : a.test > b.test ? 1 : 0));
const survivors = new Set();

async function report(name, judgement) {
  const started = performance.now();
  const line = await judgement().then(
    (by) => (by === undefined ? undefined : `red   ${name}: ${by}`),
    (error) => {
      survivors.add(name);
      return `GREEN ${name}: ${error.message}`;
    },
  );
  if (line === undefined) return;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${line} (${seconds} s)\n`);
}

async function work() {
  const workplace = openWorkplace();
  const runs = new Map();
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const next = mutant;
    await report(next.name, () => judge(workplace, next));
    runs.set(`${next.test} ${next.case}`, next);
  }
  for (const mutant of runs.values()) {
    await report(mutant.name, () => requireGreen(workplace, mutant));
  }
  workplace.close();
}
await Promise.all(Array.from({ length: Math.min(WORKERS, mutants.length) }, work));
process.stdout.write(
  `mutants: ${mutants.length - survivors.size} passed, ${survivors.size} failed\n`,
);
process.exit(mutants.length === 0 || survivors.size > 0 ? 1 : 0);
