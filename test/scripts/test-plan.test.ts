import { expect, test } from "vitest";
import { concerns, filesToRepeat, readWords, sayEnd } from "../../scripts/test-plan.mjs";

test("unknown arguments are refused with a message", () => {
  expect(readWords(["--foo"])).toEqual({ refusal: "There is no option --foo." });
  expect(readWords(["--base", "main"])).toEqual({
    refusal: "Expected --base together with --changed.",
  });
  expect(readWords(["hub/src/x.test.ts", "--package", "hub"])).toEqual({
    refusal: "Expected one of a path and --package, got both.",
  });
  expect(readWords(["--package"])).toMatchObject({ refusal: expect.stringContaining("--package") });
});

test("without arguments everything runs", () => {
  expect(readWords([])).toMatchObject({ paths: [], static: false, mutants: true, changed: false });
  expect(readWords(["--no-mutants"])).toMatchObject({ static: false, mutants: false });
  expect(readWords(["--two-hubs"])).toMatchObject({ twoHubs: true, paths: [] });
  expect(readWords(["--hosts"])).toMatchObject({ hosts: true, paths: [] });
  expect(readWords(["a.test.ts", "b/"])).toMatchObject({ paths: ["a.test.ts", "b/"] });
  expect(readWords(["--changed", "--base", "v1"])).toMatchObject({ static: true, base: "v1" });
});

test("a static check concerns only files of its kind", () => {
  const files = ["README.md", "hub/src/main.ts", "packs/docker/src/pack.ts", "knip.json"];
  expect(concerns("lint", files)).toEqual(["hub/src/main.ts", "packs/docker/src/pack.ts"]);
  expect(concerns("types of packs", files)).toEqual(["packs/docker/src/pack.ts"]);
  expect(concerns("unused code", files)).toEqual(files.slice(1));
  expect(concerns("types", ["README.md"])).toEqual([]);
});

const tests = {
  testResults: [
    {
      name: "/w/hub/a.test.ts",
      status: "failed",
      message: "",
      assertionResults: [
        { fullName: "a > fails", status: "failed" },
        { fullName: "a > holds", status: "passed" },
      ],
    },
    { name: "/w/b.test.ts", status: "failed", message: "no module\nstack", assertionResults: [] },
    { name: "/w/c.test.ts", status: "passed", message: "", assertionResults: [] },
  ],
};

test("a run ends with the names of what failed and the count", () => {
  const run = { root: "/w", steps: 8, tests, mutants: [{ name: "one", why: "stayed green" }] };
  const steady = { ...run, isUnsteady: false };
  expect(sayEnd({ ...steady, failed: ["lint", "tests", "mutants"] })).toBe(
    `\nFailed:\n  lint\n  tests:\n    hub/a.test.ts: a > fails\n    b.test.ts: no module\n` +
      `  mutants:\n    one: stayed green\n\nsteps: 5 passed, 3 failed\n`,
  );
  expect(sayEnd({ ...steady, failed: [] })).toBe("\nsteps: 8 passed, 0 failed\n");
  expect(sayEnd({ ...run, failed: [], isUnsteady: true })).toBe(
    `\nUnsteady, to be mended: failed beside other tests, passed alone:\n  hub/a.test.ts: a > fails\n` +
      `  b.test.ts: no module\n\nsteps: 8 passed, 0 failed\n`,
  );
});

test("files with a failed test are repeated, unless one did not load or too many failed", () => {
  const [failing, unloaded, passing] = tests.testResults;
  const repeated = (...testResults: (typeof failing)[]) =>
    filesToRepeat({ testResults: testResults.filter((file) => file !== undefined) });
  expect(repeated(failing, passing)).toEqual(["/w/hub/a.test.ts"]);
  expect(repeated(failing, failing, failing)).toHaveLength(3);
  expect(repeated(failing, failing, failing, failing)).toEqual([]);
  expect(repeated(failing, unloaded)).toEqual([]);
  expect(repeated(passing)).toEqual([]);
  expect(filesToRepeat(null)).toEqual([]);
});
