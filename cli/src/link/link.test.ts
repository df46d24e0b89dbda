import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { makeLinks, removeLinks } from "./link-command.ts";
import { COMMANDS, PROGRAMS, createWording } from "./programs.ts";

const workspace = resolve(import.meta.dirname, "../../..");
const made: string[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-link-"));
  made.push(folder);
});
afterAll(() => made.forEach((path) => rmSync(path, { recursive: true, force: true })));

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { cwd: "/", encoding: "utf8" });

test("a linked program runs from any folder, and lists the commands that the wording knows", () => {
  const [sonde = "", sondePack = ""] = makeLinks(workspace, folder);
  const help = run(sonde, "--help");
  const listed = [...help.matchAll(/^ {2}([a-z-]+)(?: |$)/gm)].map(([, name]) => name);
  expect(listed.filter((name) => name !== "help").toSorted()).toEqual([...COMMANDS].toSorted());
  expect(run(sonde, "--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(run(sondePack, "--version")).toBe(run(sonde, "--version"));
});

test("links are made once, replace a dead link of their own, and never another program", () => {
  makeLinks(workspace, folder);
  expect(makeLinks(workspace, folder)).toHaveLength(2);
  expect(readlinkSync(join(folder, "sonde"))).toBe(join(workspace, "bin", "sonde"));
  rmSync(join(folder, "sonde-pack"));
  writeFileSync(join(folder, "sonde-pack"), "another's");
  rmSync(join(folder, "sonde"));
  expect(() => makeLinks(workspace, folder)).toThrow("expected");
  expect(() => readlinkSync(join(folder, "sonde"))).toThrow("ENOENT");
});

test("printed commands work where they are read", () => {
  const text = "Run sonde agent approve sonde/docker, or `sonde-pack build`. A sonde is one.";
  const at = (path: string, cwd: string) => createWording(workspace, { path, cwd })(text);
  expect(at("/usr/bin:/bin", "/")).toBe(
    `Run ${workspace}/bin/sonde agent approve sonde/docker, or \`${workspace}/bin/sonde-pack build\`. A sonde is one.`,
  );
  expect(at("/usr/bin:/bin", workspace)).toContain("Run bin/sonde agent approve sonde/docker, ");
  makeLinks(workspace, folder);
  expect(at(`${folder}:/usr/bin`, "/")).toBe(text);
  const shadow = mkdtempSync(join(tmpdir(), "sonde-link-"));
  made.push(shadow);
  writeFileSync(join(shadow, "sonde"), "another program of this name");
  expect(at(`${shadow}:${folder}`, workspace)).toContain("bin/sonde agent");
});

test("links are removed, the programs themselves never", () => {
  const [link = ""] = makeLinks(workspace, folder);
  const copy = join(folder, "copy");
  mkdirSync(join(copy, "bin"), { recursive: true });
  for (const name of PROGRAMS) writeFileSync(join(copy, "bin", name), "a program");
  // A folder that leads to the programs, as somebody who can write to the PATH may plant it.
  symlinkSync(join(copy, "bin"), join(folder, "planted"));
  expect(removeLinks(copy, join(folder, "planted"))).toEqual([]);
  expect(readdirSync(join(copy, "bin"))).toEqual([...PROGRAMS]);
  expect(run(link, "link", "--remove", folder)).toContain("Removed");
  expect(readdirSync(folder)).toEqual(["copy", "planted"]);
  expect(run(join(workspace, "bin/sonde"), "link", "--remove", folder)).toContain("No link");
});

test.runIf(process.getuid?.() === 0)("root links nothing where another could replace it", () => {
  chmodSync(folder, 0o777);
  expect(() => makeLinks(workspace, folder)).toThrow("others may write to it");
  chmodSync(folder, 0o755);
  const theirs = join(folder, "theirs");
  mkdirSync(theirs);
  chownSync(theirs, 65534, 65534);
  expect(() => makeLinks(workspace, join(theirs, "bin"))).toThrow("it belongs to user 65534");
  symlinkSync(theirs, join(folder, "planted"));
  expect(() => makeLinks(workspace, join(folder, "planted"))).toThrow("it belongs to user 65534");
  expect(readdirSync(theirs)).toEqual([]);
});
