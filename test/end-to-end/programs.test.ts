import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { RELEASE } from "@sonde/schemas/release";
import { describe, expect, test } from "vitest";
import { workspace } from "../product/start-product.ts";

// Every program that is shipped says what it is, and refuses what it does not take.

const dist = join(workspace, "dist");
/** Runs in a browser. */
const SCRIPT = "people.js";
const programs = readdirSync(dist).filter((name) => name.endsWith(".js") && name !== SCRIPT);
const run = (name: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(dist, name), ...args], { encoding: "utf8", timeout: 30_000 });

test("there are programs", () => {
  expect(programs.length).toBeGreaterThan(6);
});

describe.each(programs)("%s", (name) => {
  test("answers --help and --version", () => {
    const help = run(name, "--help");
    expect([help.status, help.stderr]).toEqual([0, ""]);
    expect(help.stdout).toContain(`Usage: node ${name}`);
    const version = run(name, "--version");
    expect([version.status, version.stdout]).toEqual([0, `${RELEASE}\n`]);
  });

  test("refuses an unknown option and an argument too many, with a code and a sentence", () => {
    for (const args of [["--unknown"], ["a", "b"]]) {
      const { status, stderr, stdout } = run(name, ...args);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^BAD_REQUEST: [^\n]+\n {2}Usage: node /);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: "BAD_REQUEST" } });
    }
  });

  test("says which configuration it cannot read", () => {
    if (!run(name, "--help").stdout.includes("CONFIG")) return;
    const { status, stderr } = run(name, "/proc/no-such-file");
    expect([status, stderr.split("\n")[0]]).toEqual([
      2,
      "CONFIG_INVALID: expected a configuration at /proc/no-such-file, cannot read it",
    ]);
  });
});
