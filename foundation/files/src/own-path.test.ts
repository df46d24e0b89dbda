import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requireOwnPath } from "./own-path.ts";

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const refused = expect.objectContaining({ code: "RIGHT_MISSING" });
let root: string;
beforeEach(() => {
  // Below /tmp, which everybody may write to and which has the sticky bit.
  root = mkdtempSync("/tmp/sonde-own-");
});
afterEach(() => rmSync(root, { recursive: true }));

function makeFolder(path: string, mode: number, uid = process.getuid?.() ?? 0): string {
  const folder = join(root, path);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, mode);
  if (isRoot) chownSync(folder, uid, uid);
  return folder;
}

test("what is missing is made only when asked for", () => {
  const folder = join(root, "a/b/c");
  expect(requireOwnPath(folder)).toBe(folder);
  expect(() => statSync(join(root, "a"))).toThrow(/ENOENT/);
  expect(requireOwnPath(folder, true)).toBe(folder);
  expect(statSync(folder).isDirectory()).toBe(true);
});

test("a folder that cannot be made is refused, also in /proc", () => {
  for (const path of ["/proc/x", "/proc/x/y", "/proc/self/fdinfo/none", "/dev/null/x"]) {
    expect(() => requireOwnPath(path, true), path).toThrow(refused);
  }
});

test("a circle of links is refused", () => {
  symlinkSync(join(root, "b"), join(root, "a"));
  symlinkSync(join(root, "a"), join(root, "b"));
  expect(() => requireOwnPath(join(root, "a/x"))).toThrow(refused);
});

describe.runIf(isRoot)("for root", () => {
  test("attack 71: a folder of another user is refused, and so is one below it", () => {
    const folder = makeFolder("theirs", 0o755, NOBODY);
    expect(() => requireOwnPath(folder)).toThrow(refused);
    expect(() => requireOwnPath(join(folder, "new"), true)).toThrow(refused);
    mkdirSync(join(folder, "mine"));
    expect(() => requireOwnPath(join(folder, "mine"))).toThrow(refused);
  });

  test.each([0o777, 0o775, 0o1777])("a folder that others may write to is refused: %o", (mode) => {
    expect(() => requireOwnPath(makeFolder("open", mode))).toThrow(refused);
  });

  test("one below such a folder is refused, unless its sticky bit keeps others from it", () => {
    expect(() => requireOwnPath(makeFolder("open", 0o777).concat("/mine"), true)).toThrow(refused);
    const sticky = makeFolder("sticky", 0o1777);
    requireOwnPath(join(sticky, "mine"), true);
    makeFolder("sticky/theirs", 0o755, NOBODY);
    expect(() => requireOwnPath(join(sticky, "theirs"))).toThrow(refused);
  });

  test("a link counts as its target when it is root's", () => {
    const target = makeFolder("target", 0o755);
    symlinkSync(target, join(root, "link"));
    expect(requireOwnPath(join(root, "link/x"))).toBe(join(target, "x"));
    symlinkSync(makeFolder("theirs", 0o755, NOBODY), join(root, "to-theirs"));
    expect(() => requireOwnPath(join(root, "to-theirs"))).toThrow(refused);
    lchownSync(join(root, "link"), NOBODY, NOBODY);
    expect(() => requireOwnPath(join(root, "link"))).toThrow(refused);
  });
});
