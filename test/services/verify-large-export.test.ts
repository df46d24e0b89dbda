import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { ErrorBody } from "@sonde/schemas/errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeSampleExport } from "../bench/sample-export.ts";
import { workspace } from "../product/start-product.ts";

// An export that is long enough for threads, and the bundles of a package as they lie on a host.
const { PACKAGES } = (await import(`${workspace}/scripts/package/packages.mjs`)) as {
  PACKAGES: Record<string, { programs: string[] }>;
};
const ENTRIES = 32_000;
const folder = mkdtempSync("/tmp/sonde-large-export-");
const file = join(folder, "export.jsonl");

beforeAll(async () => {
  await writeSampleExport(file, ENTRIES);
  expect(statSync(file).size).toBeGreaterThan(36 * 1024 * 1024);
});
afterAll(() => rmSync(folder, { recursive: true }));

function verify(library: string): Promise<{ code: number; answer: object }> {
  const args = [join(library, "sonde-installed.js"), "audit", "verify", file, "--json"];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, out) =>
      resolve({ code: Number(error?.code ?? 0), answer: JSON.parse(out) as object }),
    );
  });
}

test.each(["sonde-hub", "sonde-registry"])("%s has what verifies it", async (name) => {
  const library = join(folder, name);
  const programs = PACKAGES[name]?.programs.filter((path) => path.startsWith("cli/")) ?? [];
  for (const program of [...programs, "package.json"]) {
    cpSync(join(workspace, "dist", program), join(library, basename(program)));
  }
  expect(await verify(library)).toMatchObject({
    ...{ code: 0, answer: { bad: null, signed: { size: ENTRIES } } },
  });
  // Without the threads' program nothing is proven, though the beginning was checked without it.
  rmSync(join(library, "check-lines.js"));
  const { code, answer } = await verify(library);
  expect([code, (answer as ErrorBody).error.code]).toEqual([1, "INTERNAL"]);
});
