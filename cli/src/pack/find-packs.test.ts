import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPacks } from "./find-packs.ts";

test("only folders with a src/pack.ts are packs, whatever their names", () => {
  const folder = mkdtempSync(join(tmpdir(), "sonde-packs-"));
  for (const name of ["zoo", "apt", "left/node_modules"]) {
    mkdirSync(join(folder, name, "src"), { recursive: true });
  }
  for (const name of ["zoo/src/pack.ts", "apt/src/pack.ts", "README.md"]) {
    writeFileSync(join(folder, name), "");
  }
  expect(findPacks(folder)).toEqual([join(folder, "apt"), join(folder, "zoo")]);
  rmSync(folder, { recursive: true });
});
