// Parses the arguments of `npm test` and renders its summary. scripts/test.mjs does the work.
import { relative } from "node:path";
import { parseArgs } from "node:util";

export const HELP = `npm test [-- OPTION... PATH...]
  PATH...          only the tests of these files or folders
  --package NAME   static checks, the tests of one package (hub, trust, agent/daemon, ...) and
                   its changed mutants
  --no-mutants     everything except the mutants
  --two-hubs       only the end-to-end tests, with agents at one hub and clients at another
  --hosts          only the tests on booted hosts, whole, as npm run test:hosts does
  --static         only the static checks, as npm run check does
  --changed        with --static: only checks that concern files which differ from main
  --base REF       with --changed: compare with this commit, branch or tag instead
  --help           this text`;

/**
 * @param {string[]} words
 * @returns {{ refusal: string } | {
 *   paths: string[], package?: string, base?: string,
 *   mutants: boolean, twoHubs: boolean, hosts: boolean, static: boolean, changed: boolean, help: boolean
 * }}
 */
export function readWords(words) {
  const flag = { type: /** @type {const} */ ("boolean"), default: false };
  const one = { type: /** @type {const} */ ("string") };
  let parsed;
  try {
    parsed = parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        "no-mutants": flag,
        "two-hubs": flag,
        hosts: flag,
        static: flag,
        changed: flag,
        help: flag,
        package: one,
        base: one,
      },
    });
  } catch (error) {
    const unknown = /^Unknown option '([^']+)'/.exec(error.message)?.[1];
    return { refusal: unknown === undefined ? error.message : `There is no option ${unknown}.` };
  }
  const { values, positionals: paths } = parsed;
  const isStatic = values.static || values.changed;
  const parts = [
    paths.length > 0 && "a path",
    values.package !== undefined && "--package",
    isStatic && "--static",
    values["no-mutants"] && "--no-mutants",
    values["two-hubs"] && "--two-hubs",
    values.hosts && "--hosts",
  ].filter((part) => part !== false);
  if (parts.length > 1) return { refusal: `Expected one of ${parts.join(" and ")}, got both.` };
  if (values.base !== undefined && !values.changed) {
    return { refusal: "Expected --base together with --changed." };
  }
  const { "no-mutants": noMutants, "two-hubs": twoHubs, ...rest } = values;
  return { ...rest, static: isStatic, paths, mutants: !noMutants, twoHubs };
}

/** Static check -> the files that can change its result. */
const CONCERNS = new Map([
  ["types", /\.tsx?$|(^|\/)(package|tsconfig[^/]*)\.json$|^pnpm-/],
  ["types of packs", /^(packs|pack-sdk|schemas|foundation)\/|(^|\/)tsconfig[^/]*\.json$|^pnpm-/],
  ["types of views", /^(hub\/src\/mcp\/views|schemas)\/|(^|\/)tsconfig[^/]*\.json$|^pnpm-/],
  ["types of pages", /^(hub\/src\/people\/page|schemas)\/|(^|\/)tsconfig[^/]*\.json$|^pnpm-/],
  ["types of the console", /^(hub\/web|schemas)\/|(^|\/)tsconfig[^/]*\.json$|^pnpm-/],
  ["lint", /\.(tsx?|mjs)$/],
  ["format", /\.(tsx?|mjs|json|jsonc|css)$/],
  ["generated schemas", /^(schemas|docs|hub|registry|scripts|pack-sdk|cli|foundation\/sources)\//],
  ["unused code", /\.(tsx?|mjs)$|(^|\/)(package|knip)\.json$|^pnpm-/],
]);

/**
 * @param {string} check name of a static check
 * @param {string[]} files
 * @returns {string[]} the files that can change the check's result
 */
export function concerns(check, files) {
  const about = CONCERNS.get(check);
  if (about === undefined) throw new Error(`expected a static check, got ${check}`);
  return files.filter((file) => about.test(file));
}

/** More files than this that failed at once are no chance. */
const MOST_TO_REPEAT = 3;

/**
 * @typedef {{ testResults: { name: string, status: string, message: string,
 *   assertionResults: { fullName: string, status: string }[] }[] }} Tests as vitest's JSON reporter
 *   has them
 */

/**
 * The files whose tests are run once more, alone. Empty when too many failed, when one did not
 * load, or when vitest named none.
 *
 * @param {Tests | null} tests null: no report
 * @returns {string[]}
 */
export function filesToRepeat(tests) {
  const files = (tests?.testResults ?? []).filter(({ status }) => status === "failed");
  const haveLoaded = files.every(({ assertionResults }) =>
    assertionResults.some(({ status }) => status === "failed"),
  );
  return haveLoaded && files.length <= MOST_TO_REPEAT ? files.map(({ name }) => name) : [];
}

/**
 * The summary at the end of a run: the names of what failed, and the count of steps.
 *
 * @param {{
 *   root: string, steps: number, failed: string[], isUnsteady: boolean,
 *   tests: null | Tests,
 *   mutants: null | { name: string, why: string }[],
 * }} run null for what was not run; unsteady when what failed among the tests passed alone
 */
export function sayEnd({ root, steps, failed, isUnsteady, tests, mutants }) {
  const lines = failed.flatMap((step) => {
    if (step === "tests")
      return [`tests:${tests === null ? " no report of them" : ""}`, ...failedTests(root, tests)];
    if (step === "mutants" && mutants !== null) {
      return ["mutants:", ...mutants.map(({ name, why }) => `  ${name}: ${why}`)];
    }
    return [step];
  });
  const what =
    failed.length === 0 ? "" : `\nFailed:\n${lines.map((line) => `  ${line}\n`).join("")}`;
  const unsteady = isUnsteady
    ? `\nUnsteady, to be mended: failed beside other tests, passed alone:\n${failedTests(root, tests).join("\n")}\n`
    : "";
  return `${what}${unsteady}\nsteps: ${steps - failed.length} passed, ${failed.length} failed\n`;
}

function failedTests(root, tests) {
  return (tests?.testResults ?? [])
    .filter(({ status }) => status === "failed")
    .flatMap(({ name, message, assertionResults }) => {
      const path = relative(root, name);
      const cases = assertionResults.filter(({ status }) => status === "failed");
      // A file that does not load has no cases.
      if (cases.length === 0) return [`  ${path}: ${message.split("\n")[0]}`];
      return cases.map(({ fullName }) => `  ${path}: ${fullName}`);
    });
}
