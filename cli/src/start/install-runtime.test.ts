import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { installRuntime } from "./install-runtime.ts";

let root: string;
let dist: string;
let target: string;
let umask: number;

beforeEach(() => {
  umask = process.umask(0o077);
  root = mkdtempSync("/tmp/sonde-runtime-");
  dist = join(root, "dist");
  target = join(root, "runtime");
  mkdirSync(join(dist, "node_modules/isolated-vm/out"), { recursive: true });
  mkdirSync(target);
  for (const name of ["hub.js", "package.json", "node_modules/isolated-vm/out/isolated.node"]) {
    writeFileSync(join(dist, name), name);
  }
});
afterEach(() => {
  process.umask(umask);
  rmSync(root, { recursive: true });
});

/** What another user cannot read or enter. */
const closed = () => {
  // Node's file is for running only.
  const found = [
    ...["-type", "f", "!", "-name", "node", "!", "-perm", "-004"],
    ...["-o", "-type", "d", "!", "-perm", "-005"],
  ];
  return execFileSync("find", [join(target, "."), "-mindepth", "1", ...found], {
    encoding: "utf8",
  });
};

test("every user can read it, whatever the umask of the start or of the clone", () => {
  const { folder, node } = installRuntime(dist, target, true);
  expect(closed()).toBe("");
  expect(readFileSync(join(folder, "node_modules/isolated-vm/out/isolated.node"), "utf8")).toMatch(
    /isolated.node$/,
  );
  expect(statSync(node).mode & 0o777).toBe(0o711);
});

test("a whole one is kept", () => {
  const { node } = installRuntime(dist, target, true);
  const { ino } = statSync(node);
  installRuntime(dist, target, true);
  expect(statSync(node).ino).toBe(ino);
});

test.each([
  ["a file is missing", (folder: string) => rmSync(join(folder, "hub.js"))],
  ["a file is closed", (folder: string) => chmodSync(join(folder, "hub.js"), 0o600)],
  ["a file was cut", (folder: string) => truncateSync(join(folder, "node"), 10)],
  ["a folder is closed", (folder: string) => chmodSync(join(folder, "node_modules"), 0o700)],
  [
    "a package is closed",
    (folder: string) => chmodSync(join(folder, "node_modules/isolated-vm/out"), 0o700),
  ],
])("one that is not whole is made anew: %s", (_what, harm) => {
  const { folder } = installRuntime(dist, target, true);
  harm(folder);
  installRuntime(dist, target, true);
  expect(closed()).toBe("");
  expect(readFileSync(join(folder, "hub.js"), "utf8")).toBe("hub.js");
  expect(statSync(join(folder, "node")).size).toBe(statSync(process.execPath).size);
});
