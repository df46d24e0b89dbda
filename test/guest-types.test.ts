import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

// For the compiler, pack code sees only what the isolate has: no Node, no browser.

const workspace = fileURLToPath(new URL("..", import.meta.url));
const scratch = await mkdtemp(path.join(tmpdir(), "sonde-guest-types-"));
afterAll(() => rm(scratch, { recursive: true }));

function compile(project: string): Promise<{ code: number; complaints: string }> {
  const tsc = path.join(workspace, "node_modules", ".bin", "tsc");
  return new Promise((resolve) => {
    execFile(tsc, ["-p", project], { cwd: workspace }, (error, stdout) =>
      resolve({ code: error === null ? 0 : 1, complaints: stdout }),
    );
  });
}

test("the official packs compile without Node's types", async () => {
  expect(await compile("tsconfig.guest.json")).toEqual({ code: 0, complaints: "" });
});

test("code that uses Node or the browser does not compile", async () => {
  const names = ["process", "fetch", "console", "Buffer", "setTimeout", "require", "document"];
  await writeFile(
    path.join(scratch, "reach.ts"),
    `import "node:fs";\nexport const reach = [${names.join(", ")}];\n`,
  );
  const project = path.join(scratch, "tsconfig.json");
  const guest = path.join(workspace, "tsconfig.guest.json");
  await writeFile(project, JSON.stringify({ extends: guest, include: ["reach.ts"] }));
  const { code, complaints } = await compile(project);
  expect(code).toBe(1);
  for (const name of ["node:fs", ...names]) expect(complaints).toContain(`'${name}'`);
});
