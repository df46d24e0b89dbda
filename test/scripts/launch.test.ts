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

test("a package manager with other bytes than the pinned ones is never run", () => {
  const root = mkdtempSync(join(tmpdir(), "sonde-launch-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "scripts/pnpm"), { recursive: true });
  const files = ["scripts/launch.mjs", "scripts/pnpm/package.json", "pnpm-lock.yaml"];
  for (const file of files) cpSync(join(workspace, file), join(root, file));
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
