import { expect, test } from "vitest";
import { concerns, readWords, sayEnd } from "../../scripts/test-plan.mjs";

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

test("a run ends with the names of what failed and the count", () => {
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
  const run = { root: "/w", steps: 8, tests, mutants: [{ name: "one", why: "stayed green" }] };
  expect(sayEnd({ ...run, failed: ["lint", "tests", "mutants"] })).toBe(
    `\nFailed:\n  lint\n  tests:\n    hub/a.test.ts: a > fails\n    b.test.ts: no module\n` +
      `  mutants:\n    one: stayed green\n\nsteps: 5 passed, 3 failed\n`,
  );
  expect(sayEnd({ ...run, failed: [] })).toBe("\nsteps: 8 passed, 0 failed\n");
});
