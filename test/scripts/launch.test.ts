import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const workspace = resolve(import.meta.dirname, "../..");

/** A folder with the launcher and what it reads before it installs. */
function copyLauncher(): string {
  const root = mkdtempSync(join(tmpdir(), "sonde-launch-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "scripts/pnpm"), { recursive: true });
  const files = ["scripts/launch.mjs", "scripts/pnpm/package.json", "pnpm-lock.yaml"];
  for (const file of files) cpSync(join(workspace, file), join(root, file));
  return root;
}

test("a package manager with other bytes than the pinned ones is never run", () => {
  const root = copyLauncher();
  const lock = readFileSync(join(workspace, "scripts/pnpm/package-lock.json"), "utf8");
  // As if the registry served another file under the same version.
  const other = lock.replaceAll(/sha512-..../g, "sha512-AAAA");
  expect(other).not.toBe(lock);
  writeFileSync(join(root, "scripts/pnpm/package-lock.json"), other);
  const { status, stderr } = spawnSync(process.execPath, ["scripts/launch.mjs", "check"], {
    cwd: root,
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toContain("with the hash in scripts/pnpm/package-lock.json; npm got none");
  expect(existsSync(join(root, "node_modules"))).toBe(false);
  const runner = join(root, "scripts/pnpm/node_modules/@pnpm", `exe.linux-${process.arch}`);
  expect(existsSync(runner)).toBe(false);
});

// In place of npm and pnpm stand programs that say much, so that no registry is asked.
test("an install prints one line; what the package managers say is shown only when one failed", () => {
  const root = copyLauncher();
  const noise = "echo added 9 packages; echo npm warn deprecated >&2";
  const pnpm = `node_modules/@pnpm/exe.linux-${process.arch}`;
  const program = (path: string, script: string): void =>
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  mkdirSync(join(root, "bin"));
  mkdirSync(join(root, "node_modules"));
  program(join(root, "bin/npm"), `${noise}; mkdir -p ${pnpm}; cp ../../bin/pnpm ${pnpm}/pnpm`);
  writeFileSync(join(root, "scripts/test.mjs"), "");
  const start = (ending: string) => {
    program(join(root, "bin/pnpm"), `${noise}; exit ${ending}`);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["scripts/launch.mjs", "check"],
      {
        cwd: root,
        encoding: "utf8",
        env: { ...process.env, PATH: `${join(root, "bin")}:${process.env["PATH"]}` },
      },
    );
    return { status, stdout, lines: stderr.trimEnd().split("\n") };
  };
  const own = "Installing the dependencies (once, and when they change) ...";
  const failed = start("1");
  expect(failed).toMatchObject({ status: 1, stdout: "" });
  expect(failed.lines).toEqual([
    ...[own, "added 9 packages", "npm warn deprecated"],
    expect.stringMatching(/^Expected .*pnpm to install the dependencies; got 1\.$/),
  ]);
  expect(start("0")).toEqual({ status: 0, stdout: "", lines: [own] });
  // Nothing changed since, so nothing is installed.
  expect(start("1")).toEqual({ status: 0, stdout: "", lines: [""] });
});
