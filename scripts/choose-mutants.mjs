// Which mutants a run takes, and how they are spread: decided here on what git and the records
// say, so that a test can ask the same.
import { createHash } from "node:crypto";
import { transformSync } from "esbuild";

/**
 * @typedef {{ name: string, file: string, find: string, replace: string, test: string, case?: string }} Mutant
 * @typedef {{ name: string, why: string }} Chosen
 */

/** One of so many of the mutants that nothing touched runs with each commit. */
export const PARTS = 8;

/** A static import says where something is; a move of packages rewrites it and changes nothing else. */
const withoutImports = (text) => text.replaceAll(/^import\s[^;]*;\n?/gm, "");

/** What a file of TypeScript or JavaScript does: without comments, types and layout. */
function codeOf(text) {
  try {
    const { code } = transformSync(text, { loader: "ts", legalComments: "none" });
    return withoutImports(code);
  } catch {
    // Not TypeScript: every character counts.
    return text;
  }
}

/**
 * Whether a version of a source file behaves differently from the version before.
 * @param {string} before
 * @param {string} after
 */
export const isChanged = (before, after) => codeOf(before) !== codeOf(after);

/**
 * Whether a mutant is another one than before: where its file and its test lie is not part of it.
 * @param {string | null} before the JSON of the earlier version
 * @param {Mutant} after
 */
export function isOther(before, after) {
  if (before === null) return true;
  const earlier = JSON.parse(before);
  return ["find", "replace", "case"].some((member) => earlier[member] !== after[member]);
}

/** @returns {number} the part of the mutants, from 0 to PARTS - 1, in which a commit puts one */
export function partOf(commit, name) {
  return createHash("sha256").update(`${commit} ${name}`).digest().readUInt32BE() % PARTS;
}

/**
 * Those whose file, test or self changed, and of the rest the part that the commit's hash chooses.
 *
 * @param {Mutant[]} mutants
 * @param {{ changed: Set<string>, changedMutants: Set<string>, commit: string }} state files that
 *   changed, mutants that did, and the commit; `commit` "" chooses none of the rest
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
 * Groups of one test file each, so that what it needs is transformed once for all of them;
 * a group that takes long is cut. The longest comes first.
 *
 * @param {Mutant[]} mutants
 * @param {(name: string) => number} secondsOf
 * @param {number} longest seconds from which a group is cut
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
 * One of `count` shares that take about equally long; together they are all, and none is in two.
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
