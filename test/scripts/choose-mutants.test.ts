import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openChanges } from "../../scripts/changes.mjs";
import {
  chooseMutants,
  digestMutants,
  groupMutants,
  listDoubtful,
  PARTS,
  partOf,
  shareOf,
  updateShown,
} from "../../scripts/choose-mutants.mjs";

const mutant = (name: string, file = "a.ts", of = "a.test.ts") => ({
  name,
  file,
  find: "x",
  replace: "y",
  test: of,
});
/** Of sources in which `changes` stands instead of the usual text. */
const digest = (mutants: ReturnType<typeof mutant>[], changes: Record<string, string> = {}) =>
  digestMutants(mutants, (path) => changes[path] ?? `export const of = ${JSON.stringify(path)};\n`);

test("a mutant runs when its file, its test or the mutant itself is not the recorded one", () => {
  const all = ["one", "two", "three", "four"].map((name) => mutant(name, `${name}.ts`));
  const shown = digest(all);
  const chosen = (changes: Record<string, string>, now = all) =>
    chooseMutants(now, { digests: digest(now, changes), shown, commit: "" }).map(
      ({ name }) => name,
    );
  expect(chosen({})).toEqual([]);
  expect(chosen({ "two.ts": "export const of = 2;\n" })).toEqual(["two"]);
  expect(chosen({ "a.test.ts": "export const of = 2;\n" })).toEqual(all.map(({ name }) => name));
  for (const other of [{ find: "z" }, { replace: "z" }, { case: "another" }]) {
    expect(chosen({}, [{ ...mutant("one", "one.ts"), ...other }])).toEqual(["one"]);
  }
  expect(chosen({}, [mutant("five")])).toEqual(["five"]);
});

test("a commit chooses about an eighth of the rest, deterministically, and another commit another eighth", () => {
  const all = Array.from({ length: 800 }, (_, n) => mutant(`m${n}`));
  const shown = digest(all);
  const choose = (commit: string) =>
    chooseMutants(all, { digests: shown, shown, commit }).map(({ name }) => name);
  const first = choose("one");
  expect(first.length).toBeGreaterThan(60);
  expect(first.length).toBeLessThan(140);
  expect(choose("one")).toEqual(first);
  expect(choose("two")).not.toEqual(first);
  for (const name of first) expect(partOf("one", name)).toBe(0);
  expect(new Set(all.map(({ name }) => partOf("one", name))).size).toBe(PARTS);
});

test("without a commit every mutant runs", () => {
  const all = ["one", "two"].map((name) => mutant(name));
  const shown = digest(all);
  const chosen = chooseMutants(all, { digests: shown, shown, commit: null });
  expect(chosen.map(({ name }) => name)).toEqual(["one", "two"]);
});

test("a mutant that was not noticed is in doubt, and so is every one of a control that was red", () => {
  const all = [
    ...["one", "two", "three"].map((name) => mutant(name)),
    ...["four", "five"].map((name) => ({ ...mutant(name), case: "its case" })),
  ];
  const doubtful = (survivors: string[], controls: string[]) =>
    listDoubtful(all, new Set(survivors), new Set(controls)).map(({ name }) => name);
  expect(doubtful([], [])).toEqual([]);
  expect(doubtful(["two"], [])).toEqual(["two"]);
  expect(doubtful(["one"], ["a.test.ts its case"])).toEqual(["one", "four", "five"]);
  expect(doubtful([], ["a.test.ts undefined"])).toEqual(["one", "two", "three"]);
});

test("the record has what was shown red, keeps what did not run, and forgets what is gone", () => {
  const all = ["ran", "kept", "survived", "new"].map((name) => mutant(name, `${name}.ts`));
  const run = all.filter(({ name }) => name !== "kept" && name !== "new");
  const digests = digest(all);
  const before = ["ran", "kept", "survived", "gone"].map((name) => [name, "before"] as const);
  const after = updateShown(new Map(before), {
    all,
    run,
    survivors: new Set(["survived"]),
    digests,
  });
  expect(Object.entries(after)).toEqual([
    ["kept", "before"],
    ["ran", digests.get("ran")],
  ]);
});

test("a change of static imports, types or comments does not count, any other change does", () => {
  const of = (text: string) => digest([mutant("one")], { "a.ts": text }).get("one");
  const before = 'import { a } from "./a.ts";\nexport const b = a + 1;\n';
  const moved = 'import {\n  a,\n} from "@sonde/a/sub";\nexport const b = a + 1;\n';
  expect(of(moved)).toBe(of(before));
  expect(of(`// Says why.\n${before.replace("b =", "b: number =")}`)).toBe(of(before));
  expect(of(before.replace("+ 1", "+ 2"))).not.toBe(of(before));
  expect(of("{ not code")).not.toBe(of("{ not code either"));
});

test("a mutant whose file was moved is unchanged", () => {
  const text = { "a.ts": "export const b = 1;\n", "b.ts": "export const b = 1;\n" };
  const [before, after] = ["a.ts", "b.ts"].map((file) => digest([mutant("one", file)], text));
  expect(after).toEqual(before);
});

test("shares contain every mutant exactly once and take about equally long", () => {
  const all = Array.from({ length: 100 }, (_, n) => mutant(`m${n}`, "a.ts", `${n % 7}.test.ts`));
  const secondsOf = (name: string) => 1 + (Number(name.slice(1)) % 5);
  const groups = groupMutants(all, secondsOf, 20);
  for (const group of groups) {
    expect(group.seconds).toBeLessThanOrEqual(20);
    expect(new Set(group.mutants.map((one) => one.test)).size).toBe(1);
  }
  const shares = [1, 2, 3, 4].map((index) => shareOf(groups, { index, count: 4 }));
  const names = shares.flatMap((share) =>
    share.flatMap((group) => group.mutants.map(({ name }) => name)),
  );
  expect(names.toSorted()).toEqual(all.map(({ name }) => name).toSorted());
  const seconds = shares.map((share) => share.reduce((sum, group) => sum + group.seconds, 0));
  expect(Math.max(...seconds) - Math.min(...seconds)).toBeLessThanOrEqual(20);
});

test("changes include uncommitted and untracked files, but not files that were only moved", () => {
  const root = mkdtempSync(join(tmpdir(), "sonde-changes-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@example.com", ...args], {
      cwd: root,
    });
  const write = (path: string, text: string) => writeFileSync(join(root, path), text);
  const long = (word: string) => `${word}\n`.repeat(50);
  git("init", "-q");
  for (const name of ["kept", "moved", "changed", "both", "gone"]) write(name, long(name));
  git("add", "-A");
  git("commit", "-qm", "first");
  git("tag", "v1.0.0");
  mkdirSync(join(root, "to"));
  renameSync(join(root, "moved"), join(root, "to/moved"));
  renameSync(join(root, "both"), join(root, "to/both"));
  write("to/both", `${long("both")}more\n`);
  rmSync(join(root, "gone"));
  git("add", "-A");
  git("commit", "-qm", "second");
  write("changed", "other\n");
  write("new", "new\n");
  const changes = openChanges(root);
  expect(changes.since("v1.0.0")).toEqual(["changed", "new", "to/both"]);
});

test("a mutant whose test file takes more than two seconds names the case", () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, "..", path), "utf8");
  const { tests } = JSON.parse(read("mutant-seconds.json")) as { tests: Record<string, number> };
  const nameless = readdirSync(join(import.meta.dirname, "../mutants"))
    .filter((file) => file.endsWith(".json"))
    .filter((file) => {
      const one = JSON.parse(read(`mutants/${file}`)) as { test: string; case?: string };
      return one.case === undefined && (tests[one.test] ?? 0) > 2;
    });
  expect(nameless).toEqual([]);
});
