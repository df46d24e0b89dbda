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
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "test/mutants");
const LIMIT_MS = 120_000;
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

function countFailed(report) {
  return existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).numFailedTests : 0;
}

function runTest(copy, test) {
  return new Promise((done) => {
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const report = join(copy, "report.json");
    rmSync(report, { force: true });
    const child = spawn(
      process.execPath,
      [vitest, "run", "--bail=1", "--reporter=json", `--outputFile=${report}`, test],
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
    child.on("close", (code, signal) =>
      done({ code, signal, output, failed: countFailed(report) }),
    );
  });
}

async function judge(copy, mutant) {
  const path = join(copy, mutant.file);
  const original = readFileSync(path, "utf8");
  if (/^test\/(end-to-end|attacks)\//.test(mutant.test)) {
    return "its test must run on source: an end-to-end test installs and bundles a workspace of its own";
  }
  if (original.split(mutant.find).length !== 2) {
    return "its `find` must occur exactly once in the file";
  }
  writeFileSync(
    path,
    original.replace(mutant.find, () => mutant.replace),
  );
  try {
    const { code, signal, output, failed } = await runTest(copy, mutant.test);
    // Ended at the limit: without the check the test does not come to an end, which is not green.
    if (signal !== null) return null;
    if (code === 0) return `${mutant.test} stayed green`;
    // A test file that no longer loads proves nothing about the check.
    return failed > 0 ? null : `${mutant.test} did not run: ${output.slice(-300)}`;
  } finally {
    writeFileSync(path, original);
  }
}

const mutants = loadMutants();
const copies = [copyWorkspace(), copyWorkspace()];
const queue = [...mutants];
const survivors = [];
await Promise.all(
  copies.map(async (copy) => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const problem = await judge(copy, mutant);
      process.stdout.write(
        `${problem === null ? "red " : "GREEN"} ${mutant.name}${problem === null ? "" : `: ${problem}`}\n`,
      );
      if (problem !== null) survivors.push(mutant.name);
    }
  }),
);
for (const copy of copies) rmSync(copy, { recursive: true, force: true });
process.stdout.write(
  `mutants: ${mutants.length - survivors.length} passed, ${survivors.length} failed\n`,
);
process.exit(mutants.length === 0 || survivors.length > 0 ? 1 : 0);
