// Chooses the mutants of a run and distributes them. It depends only on git and the recorded times,
// so that a test can compute the same.
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
 * Whether two versions of a source file differ in what they do: beyond imports, types, comments
 * and layout.
 *
 * @param {string} before
 * @param {string} after
 */
export const isChanged = (before, after) => codeOf(before) !== codeOf(after);

/**
 * Whether a mutant has changed. The paths of its file and its test are ignored.
 *
 * @param {string | null} before the JSON of the earlier version
 * @param {Mutant} after
 */
export function isOther(before, after) {
  if (before === null) return true;
  const earlier = JSON.parse(before);
  return ["find", "replace", "case"].some((member) => earlier[member] !== after[member]);
}

/** @returns {number} the part of the mutants, from 0 to PARTS - 1, that a commit's hash chooses */
export function partOf(commit, name) {
  return createHash("sha256").update(`${commit} ${name}`).digest().readUInt32BE() % PARTS;
}

/**
 * Chooses the mutants that changed, or whose file or test changed, and the part of the rest that
 * the commit's hash chooses.
 *
 * @param {Mutant[]} mutants
 * @param {{ changed: Set<string>, changedMutants: Set<string>, commit: string }} state changed
 *   files,
 *   changed mutants, and the commit; `commit` "" chooses none of the rest
 * @returns {{ name: string, why: "changed" | "part" }[]}
 */
export function chooseMutants(mutants, { changed, changedMutants, commit }) {
  return mutants.flatMap(({ name, file, test }) => {
    if (changedMutants.has(name) || changed.has(file) || changed.has(test)) {
      return [{ name, why: "changed" }];
    }
    return commit !== "" && partOf(commit, name) === 0 ? [{ name, why: "part" }] : [];
  });
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
