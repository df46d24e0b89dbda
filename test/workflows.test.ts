import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const folder = join(root, ".github/workflows");
const workflows = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), "utf8"),
}));

test("there are workflows for pushes, nights, releases and packs", () => {
  expect(workflows.map(({ name }) => name).toSorted()).toEqual([
    "ci.yml",
    "nightly.yml",
    "publish-packs.yml",
    "release.yml",
  ]);
});

test.each(workflows)("$name uses actions by the hash of their commit alone", ({ text }) => {
  const used = [...text.matchAll(/^\s*(?:- )?uses:\s*(.+)$/gm)].map(([, action]) => action ?? "");
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((action) => !/^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d/.test(action))).toEqual([]);
});

test.each(workflows)("$name has no right that a job does not name", ({ text }) => {
  const jobs = text
    .slice(text.indexOf("\njobs:\n"))
    .split(/^  (?=[\w-]+:$)/m)
    .slice(1);
  expect(text).toMatch(/^permissions: \{\}$/m);
  expect(jobs.length).toBeGreaterThan(0);
  for (const job of jobs) {
    expect(job).toMatch(/^    permissions:\n      contents: read$/m);
    expect(job).toMatch(/^    timeout-minutes: \d+$/m);
  }
  // The job that requests an identity token is the job that publishes.
  expect(/: write\b/.test(text)).toBe(text.startsWith("# Publishes the official packs"));
});

test.each(workflows)(
  "$name runs at most once for one thing, and leaves no credential",
  ({ text }) => {
    expect(text).toMatch(/^concurrency:\n  group: \S+/m);
    const checkouts = text.match(/uses: actions\/checkout@/g) ?? [];
    expect(text.match(/persist-credentials: false/g)).toHaveLength(checkouts.length);
  },
);

test.each(workflows)("$name runs scripts that exist", ({ text }) => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = [...text.matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(test)\b)/g)].map(
    ([, script, short]) => script ?? short ?? "",
  );
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
});

test("every kind of dependency update waits some days", () => {
  const updates = readFileSync(join(root, ".github/dependabot.yml"), "utf8")
    .split("  - package-ecosystem: ")
    .slice(1);
  expect(updates).toHaveLength(3);
  for (const update of updates) {
    const [, days = "0"] = /^    cooldown:\n      default-days: (\d+)$/m.exec(update) ?? [];
    expect(Number(days)).toBeGreaterThanOrEqual(7);
  }
});
