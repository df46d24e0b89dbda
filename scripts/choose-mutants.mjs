// Chooses the mutants of a run, distributes them, and says which are judged again and recorded. It
// asks nobody, so that a test can compute the same.
import { createHash } from "node:crypto";
import { transformSync } from "esbuild";

/**
 * @typedef {{ name: string, file: string, find: string, replace: string, test: string, case?: string }} Mutant
 * @typedef {{ name: string, why: string }} Chosen
 */

/** Each commit runs one of this many parts of the mutants that no change touched. */
export const PARTS = 8;

/** Static imports are ignored, because moving a package rewrites them without another effect. */
const withoutImports = (text) => text.replaceAll(/^import\s[^;]*;\n?/gm, "");

/** The code of a TypeScript or JavaScript file, without comments, types and layout. */
function codeOf(text) {
  try {
    const { code } = transformSync(text, { loader: "ts", legalComments: "none" });
    return withoutImports(code);
  } catch {
    // Another kind of file is compared as text.
    return text;
  }
}

/**
 * What a mutant was judged by: its own change, and the code of its file and its test. Paths,
 * imports, types, comments and layout do not count, so that a moved file is the same.
 *
 * @param {Mutant[]} mutants
 * @param {(path: string) => string} read
 * @returns {Map<string, string>} by name
 */
export function digestMutants(mutants, read) {
  /** @type {Map<string, string>} */
  const codes = new Map();
  const code = (path) => {
    const known = codes.get(path) ?? codeOf(read(path));
    codes.set(path, known);
    return known;
  };
  return new Map(
    mutants.map(({ name, file, find, replace, test, case: named }) => {
      const parts = [find, replace, named ?? null, code(file), code(test)];
      const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
      return [name, digest.slice(0, 16)];
    }),
  );
}

/** @returns {number} the part of the mutants, from 0 to PARTS - 1, that a commit's hash chooses */
export function partOf(commit, name) {
  return createHash("sha256").update(`${commit} ${name}`).digest().readUInt32BE() % PARTS;
}

/**
 * Chooses the mutants that were not yet recorded red with this code, and the part of the rest that
 * the commit's hash chooses. Without a commit no part can be chosen in turn, so all of them run.
 *
 * @param {Mutant[]} mutants
 * @param {{ digests: Map<string, string>, shown: Map<string, string>, commit: string | null }} state
 *   digests of today and of the record, by name; `commit` "" chooses none of the rest
 * @returns {{ name: string, why: "changed" | "part" }[]}
 */
export function chooseMutants(mutants, { digests, shown, commit }) {
  return mutants.flatMap(({ name }) => {
    if (shown.get(name) !== digests.get(name)) return [{ name, why: "changed" }];
    const isOfPart = commit === null || (commit !== "" && partOf(commit, name) === 0);
    return isOfPart ? [{ name, why: "part" }] : [];
  });
}

/** Names the run without a mutant that a mutant's result is compared with. */
export const controlOf = ({ test, case: named }) => `${test} ${named}`;

/**
 * The mutants that are judged once more: those that were not noticed, and all of a control that was
 * red. What is red without a mutant is red with each, and shows nothing of any.
 *
 * @param {Mutant[]} mutants those of the run
 * @param {{ has(name: string): boolean }} survivors
 * @param {{ has(control: string): boolean }} redControls
 */
export function listDoubtful(mutants, survivors, redControls) {
  return mutants.filter((one) => survivors.has(one.name) || redControls.has(controlOf(one)));
}

/**
 * The record after a run: without the mutants that survived, and without those that are gone.
 *
 * @param {Map<string, string>} shown the record before
 * @param {{ all: Mutant[], run: Mutant[], survivors: { has(name: string): boolean }, digests: Map<string, string> }} state
 * @returns {Record<string, string | undefined>} sorted by name
 */
export function updateShown(shown, { all, run, survivors, digests }) {
  const names = new Set(run.map(({ name }) => name));
  const digestOf = (name) => {
    if (!names.has(name)) return shown.get(name);
    return survivors.has(name) ? undefined : digests.get(name);
  };
  return Object.fromEntries(
    all
      .map(({ name }) => [name, digestOf(name)])
      .filter(([, digest]) => digest !== undefined)
      .toSorted(([a], [b]) => compare(a, b)),
  );
}

/**
 * Groups mutants by test file, so that a worker transforms its modules once. A group that takes too
 * long is split. The longest group comes first.
 *
 * @param {Mutant[]} mutants
 * @param {(name: string) => number} secondsOf
 * @param {number} longest a group of more seconds is split
 * @returns {{ mutants: Mutant[], seconds: number }[]}
 */
export function groupMutants(mutants, secondsOf, longest) {
  const groups = [];
  const open = new Map();
  for (const mutant of mutants.toSorted(
    (a, b) => compare(a.test, b.test) || compare(a.case ?? "", b.case ?? ""),
  )) {
    const seconds = secondsOf(mutant.name);
    let group = open.get(mutant.test);
    if (group === undefined || group.seconds + seconds > longest) {
      group = { mutants: [], seconds: 0 };
      groups.push(group);
      open.set(mutant.test, group);
    }
    group.mutants.push(mutant);
    group.seconds += seconds;
  }
  return groups.toSorted((a, b) => b.seconds - a.seconds);
}

/**
 * One of `count` disjoint shares that take about equally long. Together they contain every group.
 *
 * @param {{ mutants: Mutant[], seconds: number }[]} groups the longest first
 * @param {{ index: number, count: number }} shard `index` from 1
 * @returns {{ mutants: Mutant[], seconds: number }[]}
 */
export function shareOf(groups, { index, count }) {
  /** @type {{ groups: { mutants: Mutant[], seconds: number }[], seconds: number }[]} */
  const shares = Array.from({ length: count }, () => ({ groups: [], seconds: 0 }));
  for (const group of groups) {
    const lightest = shares.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    lightest.groups.push(group);
    lightest.seconds += group.seconds;
  }
  return shares[index - 1].groups;
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
