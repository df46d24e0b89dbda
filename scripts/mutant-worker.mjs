// A worker process of mutants.mjs. It keeps one vitest ready in a copy of the workspace, because
// starting vitest costs more than most tests, and runs each requested file in a fresh fork.
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
  // Most mutants are noticed when something does not happen. These limits bound that wait; each
  // case is also shown to pass within them.
  testTimeout: 15_000,
  expect: { poll: { timeout: 5_000 } },
  fsModuleCache: false,
});

/** Every file that a mutant ever changed. A restored file must be read again too. */
const touched = new Set();

/** Runs a test file, or its one case `name`, on the present sources. */
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

// An error ends this process, which mutants.mjs reports.
process.on("message", (asked) => void run(asked).then((answer) => process.send(answer)));
process.on("disconnect", () => process.exit());
