// A process of mutants.mjs: keeps one vitest ready in a copy of the workspace, since starting
// it costs more than most tests, and runs the files it is asked for, each in a fresh fork.
//   fork("mutant-worker.mjs", { cwd: copy })   <- { test, case, changed }   -> { tests, errors, testSeconds }
import { join } from "node:path";
import { createVitest } from "vitest/node";

const copy = process.cwd();
const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const vitest = await createVitest("test", {
  root: copy,
  watch: false,
  reporters: [{}],
  maxWorkers: 1,
  // What never comes is waited for by most mutants: so long, and each case is also shown to be green
  // within it.
  testTimeout: 15_000,
  expect: { poll: { timeout: 5_000 } },
  fsModuleCache: false,
});

/** Every file that ever differed: what was restored must be read again too. */
const touched = new Set();

/** Runs a test file, or the one `name`d case of it, on the sources as they are now. */
async function run({ test, case: name, changed }) {
  touched.add(join(copy, changed));
  for (const file of touched) vitest.invalidateFile(file);
  const moduleId = join(copy, test);
  const found = await vitest.globTestSpecifications([test]);
  const specifications = found
    .filter((specification) => specification.moduleId === moduleId)
    .map(({ project }) =>
      project.createSpecification(moduleId, {
        ...(name !== undefined && { testNamePattern: new RegExp(`^${escape(name)}$`) }),
      }),
    );
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const modules = testModules.filter((module) => module.moduleId === moduleId);
  return {
    tests: modules.flatMap((module) =>
      [...module.children.allTests()].map((one) => ({
        name: one.fullName,
        state: one.result().state,
      })),
    ),
    testSeconds: modules.reduce((sum, module) => sum + module.diagnostic().duration, 0) / 1000,
    errors: [...modules.flatMap((module) => module.errors()), ...unhandledErrors].map(
      ({ message }) => String(message).slice(0, 300),
    ),
  };
}

// A run that throws ends this process, which mutants.mjs reports.
process.on("message", (asked) => void run(asked).then((answer) => process.send(answer)));
process.on("disconnect", () => process.exit());
