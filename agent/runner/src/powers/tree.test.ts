import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TreeSource } from "@sonde/schemas/manifest";
import { parseRunnerOutcomes } from "@sonde/schemas/reads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { performReads } from "./powers.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tree-"));
  for (const name of ["a/b/c", "own"]) mkdirSync(join(folder, name), { recursive: true });
  for (const name of ["z.log", "a/one.log", "a/b/two.log", "a/b/c/three.log", "own/key"]) {
    writeFileSync(join(folder, name), "");
  }
  chmodSync(join(folder, "z.log"), 0o640);
  truncateSync(join(folder, "z.log"), 5_000_000_000);
  utimesSync(join(folder, "z.log"), 1_700_000_000, 1_700_000_000.5);
  symlinkSync(join(folder, "own"), join(folder, "link"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(options: Partial<TreeSource> = {}) {
  const limits = { depth: 3, maxEntries: 100, maxBytes: 65_536, timeoutMs: 2000 };
  const source: TreeSource = { kind: "tree", path: folder, ...limits, ...options };
  const { outcomes, traces } = await performReads([{ name: "it", source, values: {} }], 5000, {
    denyPaths: [join(folder, "own")],
    onOverdue: () => undefined,
  });
  const outcome = parseRunnerOutcomes(JSON.parse(outcomes.toString("utf8")))["it"];
  return { outcome, what: traces[0]?.what };
}

async function list(options: Partial<TreeSource> = {}) {
  const { outcome } = await read(options);
  if (outcome?.ok !== true) throw new Error(JSON.stringify(outcome));
  const { data, truncated } = outcome.samples[0] as (typeof outcome.samples)[0];
  if (!("found" in data)) throw new Error("expected a tree");
  return { found: data.found, truncated, paths: data.found.map(({ path }) => path) };
}

test("it lists to its depth, with sizes and times, and opens and follows nothing", async () => {
  const { found, paths, truncated } = await list();
  expect(paths).toEqual(["a", "a/b", "a/b/c", "a/b/two.log", "a/one.log", "link", "own", "z.log"]);
  expect(found.at(-1)).toEqual({
    ...{ path: "z.log", type: "file", sizeBytes: 5_000_000_000, modifiedAt: 1_700_000_000_500 },
    ...{ ownerId: statSync(join(folder, "z.log")).uid, mode: 0o640, linkCount: 1 },
  });
  expect(found.map(({ type }) => type)).toEqual([
    "directory",
    "directory",
    "directory",
    "file",
    "file",
    "link",
    "directory",
    "file",
  ]);
  expect(truncated).toBe(false);
  expect((await list({ depth: 1 })).paths).toEqual(["a", "link", "own", "z.log"]);
  const { what } = await read();
  expect(what).toBe(`sizes, times, owners and modes of the files beneath ${folder} (3 levels)`);
});

test("a folder that no pack may read is named with the reason, and its files are not", async () => {
  const { found } = await list();
  expect(found.find(({ path }) => path === "own")).toMatchObject({
    failure: { code: "READ_NOT_GRANTED" },
  });
  expect((await read({ path: join(folder, "own") })).outcome).toMatchObject({
    failure: { code: "READ_NOT_GRANTED" },
  });
});

test("the caps cut, and it is said", async () => {
  expect(await list({ maxEntries: 3 })).toMatchObject({
    paths: ["a", "a/b", "a/b/c"],
    truncated: true,
  });
  expect(await list({ maxBytes: 250 })).toMatchObject({ paths: ["a", "a/b"], truncated: true });
});

test("a file is no tree, and a folder that is not there is not found", async () => {
  expect((await read({ path: join(folder, "z.log") })).outcome).toMatchObject({
    failure: { code: "READ_FAILED" },
  });
  expect((await read({ path: join(folder, "none") })).outcome).toMatchObject({
    failure: { code: "SOURCE_NOT_FOUND" },
  });
});
