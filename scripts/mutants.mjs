// Applies each mutant of test/mutants/ to a copy of the sources, one at a time per copy, and fails
// when the named test still passes: that check is then untested.
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
import { parseArgs } from "node:util";
import { openChanges } from "./changes.mjs";
import {
  chooseMutants,
  controlOf,
  digestMutants,
  groupMutants,
  listDoubtful,
  PARTS,
  shareOf,
  updateShown,
} from "./choose-mutants.mjs";

const HELP = `npm run mutants [-- OPTION... NAME...]
  NAME...          only the mutants whose name starts with NAME
  --shard 1/4      the first of four shares of about equal duration
  --record         stores the duration of each in test/mutant-seconds.json, and in
                   test/mutants-shown.json of what code it was shown red
  --changed        as npm test does: those whose file, test or own text is not the recorded one,
                   and an eighth of the rest
  --package PATH   those of one package whose file, test or own text is not the recorded one
  --report FILE    writes the names of the failed ones to FILE, as JSON
  --help           this text`;

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "test/mutants");
const secondsFile = join(root, "test/mutant-seconds.json");
const shownFile = join(root, "test/mutants-shown.json");
const LIMIT_MS = 60_000;
/**
 * A run that was killed at the limit. Alone on the machine this counts as noticed: without the check
 * the test never ends. Beside others it may only have been slow.
 */
const UNENDED = "did not come to an end";
/** More than the cores, because runs mostly wait for processes, databases and deadlines. */
const WORKERS = 2 * availableParallelism();
/** Assumed time of a mutant without a recorded time. */
const USUAL_SECONDS = 2;
/** Maximal time of a group, so that no worker runs long after the others have finished. */
const LONGEST_SECONDS = 30;

const { values: options, positionals: wanted } = readOptions();
const isChoice = options.changed === true || options.package !== undefined;

function readOptions() {
  const one = { type: /** @type {const} */ ("string") };
  const flag = { type: /** @type {const} */ ("boolean") };
  try {
    return parseArgs({
      allowPositionals: true,
      options: { shard: one, package: one, report: one, record: flag, changed: flag, help: flag },
    });
  } catch (error) {
    return refuse(error.message);
  }
}

/** @returns {never} */
function refuse(message) {
  process.stderr.write(`${message}\n\n${HELP}\n`);
  process.exit(2);
}

function loadMutants() {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => ({
      name: file.slice(0, -5),
      ...JSON.parse(readFileSync(join(folder, file), "utf8")),
    }));
}

/** The choice of `npm test`, printed with the reason for each. */
function choose(all) {
  const commit = openChanges(root).head();
  const inside = options.package === undefined ? "" : `${options.package}/`;
  const chosen = chooseMutants(
    all.filter(({ file }) => file.startsWith(inside)),
    { digests, shown, commit: inside === "" ? commit : "" },
  );
  const touched = chosen.filter(({ why }) => why === "changed").length;
  const say = (text) => process.stdout.write(`${text}\n`);
  say(`${touched} mutants were never recorded red with this code of their file and test`);
  if (inside === "") {
    const which =
      commit === null
        ? "git knows no commit that would choose a part"
        : `one in ${PARTS}, chosen by the commit ${commit.slice(0, 9)}`;
    say(`${chosen.length - touched} of the other ${all.length - touched}: ${which}`);
  }
  const names = new Set(chosen.map(({ name }) => name));
  return all.filter(({ name }) => names.has(name));
}

/** A copy that shares node_modules, so that the working tree is never changed. */
function copyWorkspace() {
  const copy = mkdtempSync(join(tmpdir(), "sonde-mutants-"));
  // Running as root, tests start services as other users, who must be able to enter.
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
    // Also kills every process that its tests have started.
    process.kill(-pid, "SIGKILL");
  };
  return {
    copy,
    /** @returns the worker's report of the run; null when the run was killed at the limit */
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
    /** Gives the next run a fresh process. */
    restart: end,
    close() {
      end();
      rmSync(copy, { recursive: true, force: true });
    },
  };
}

async function askTest(workplace, mutant) {
  const answer = await workplace.ask({
    test: mutant.test,
    case: mutant.case,
    changed: mutant.file,
  });
  if (answer === null) return { verdict: "red", by: UNENDED, testSeconds: LIMIT_MS / 1000 };
  const { tests, errors, testSeconds } = answer;
  const failed = tests.find(({ state }) => state === "failed");
  if (failed !== undefined) return { verdict: "red", by: failed.name, testSeconds };
  const isNamed = mutant.case === undefined || tests.some(({ name }) => name === mutant.case);
  if (tests.length > 0 && !isNamed) return { verdict: `has no case "${mutant.case}"` };
  if (tests.some(({ state }) => state === "passed")) return { verdict: "green", testSeconds };
  // A test file that does not load proves nothing about the check.
  return { verdict: `did not run: ${errors.join("; ")}` };
}

/** @returns the case that failed on the mutant; throws an Error that states the problem */
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
    const { verdict, by } = await askTest(workplace, mutant);
    if (verdict === "red") return by;
    throw new Error(`${mutant.test} ${verdict === "green" ? "stayed green" : verdict}`);
  } finally {
    writeFileSync(path, original);
  }
}

/** A failure on a mutant proves something only if the same test passes without it. */
async function requireGreen(workplace, mutant) {
  const { verdict, by, testSeconds } = await askTest(workplace, mutant);
  if (verdict !== "green") {
    throw new Error(
      `without any mutant ${mutant.test} is ${verdict} (${by ?? mutant.case}), run like this`,
    );
  }
  if (mutant.case === undefined) recorded.tests[mutant.test] = round(testSeconds);
}

if (options.help) {
  process.stdout.write(`${HELP}\n`);
  process.exit(0);
}
const shard = /^([1-9]\d*)\/([1-9]\d*)$/.exec(options.shard ?? "1/1");
if (shard === null || Number(shard[1]) > Number(shard[2])) {
  refuse(`Expected --shard 1/4 and the like, got ${options.shard}.`);
}
const round = (seconds) => Math.round(seconds * 10) / 10;
const recorded = JSON.parse(readFileSync(secondsFile, "utf8"));
const all = loadMutants();
const digests = digestMutants(all, (path) => readFileSync(join(root, path), "utf8"));
const shown = new Map(Object.entries(JSON.parse(readFileSync(shownFile, "utf8"))));
for (const word of wanted) {
  if (!all.some(({ name }) => name.startsWith(word)))
    refuse(`No mutant's name starts with ${word}.`);
}
const named = isChoice
  ? choose(all)
  : all.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.startsWith(word)));
const groups = shareOf(
  groupMutants(named, (name) => recorded.mutants[name] ?? USUAL_SECONDS, LONGEST_SECONDS),
  { index: Number(shard[1]), count: Number(shard[2]) },
);
/** Name -> why it is not shown to be noticed. */
const survivors = new Map();
const redControls = new Set();
/** Tests that passed, or are being run, without a mutant. */
const controlled = new Set();
const mutants = groups.flatMap((group) => group.mutants);

/**
 * @param failed how the line of a failure begins
 * @returns the seconds that it took
 */
async function report(name, failed, judgement) {
  const started = performance.now();
  const line = await judgement().then(
    (by) => (by === undefined ? undefined : `red   ${name}: ${by}`),
    (error) => {
      survivors.set(name, error.message);
      return `${failed} ${name}: ${error.message}`;
    },
  );
  const seconds = round((performance.now() - started) / 1000);
  if (line !== undefined) process.stdout.write(`${line} (${seconds} s)\n`);
  return seconds;
}

async function work() {
  const workplace = openWorkplace();
  for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
    for (const mutant of group.mutants) {
      let seconds = await report(mutant.name, "again", async () => {
        const by = await judge(workplace, mutant);
        if (by === UNENDED) throw new Error(`${by}, beside others`);
        return by;
      });
      const control = controlOf(mutant);
      if (!controlled.has(control)) {
        controlled.add(control);
        seconds += await report(mutant.name, "again", () =>
          requireGreen(workplace, mutant).catch((error) => {
            redControls.add(control);
            throw error;
          }),
        );
      }
      recorded.mutants[mutant.name] = round(seconds);
    }
  }
  workplace.close();
}

/** Judges what is in doubt once more, each alone on the machine (ADR 0048). */
async function repeatAlone() {
  const again = listDoubtful(mutants, survivors, redControls);
  if (again.length === 0) return;
  process.stdout.write(`${again.length} once more, each alone\n`);
  const workplace = openWorkplace();
  for (const mutant of again) {
    survivors.delete(mutant.name);
    workplace.restart();
    await report(mutant.name, "GREEN", async () => {
      const by = await judge(workplace, mutant);
      await requireGreen(workplace, mutant);
      return by;
    });
  }
  workplace.close();
}

await Promise.all(Array.from({ length: Math.min(WORKERS, groups.length) }, work));
await repeatAlone();
if (options.record) {
  const known = new Set(all.map(({ name }) => name));
  const tests = new Set(all.filter((mutant) => mutant.case === undefined).map(({ test }) => test));
  const keep = (record, of) =>
    Object.fromEntries(
      Object.entries(record)
        .filter(([key]) => of.has(key))
        .toSorted(),
    );
  const text = { tests: keep(recorded.tests, tests), mutants: keep(recorded.mutants, known) };
  writeFileSync(secondsFile, `${JSON.stringify(text, null, 2)}\n`);
  const record = updateShown(shown, { all, run: mutants, survivors, digests });
  writeFileSync(shownFile, `${JSON.stringify(record, null, 2)}\n`);
}
if (options.report !== undefined) {
  writeFileSync(
    options.report,
    JSON.stringify([...survivors].map(([name, why]) => ({ name, why }))),
  );
}
process.stdout.write(
  `mutants: ${mutants.length - survivors.size} passed, ${survivors.size} failed\n`,
);
const isNothing = mutants.length === 0 && !isChoice;
process.exit(isNothing || survivors.size > 0 ? 1 : 0);
