import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { askProgram } from "../product/run-program.ts";
import { createDataFolder, startProduct, workspace } from "../product/start-product.ts";

// CONTRIBUTING promises that a pack needs only its own folder. So this test adds one folder to a
// copy of the workspace and changes no other file.

const run = promisify(execFile);
const home = createDataFolder();
const copy = join(home, "sonde");
const folder = join(copy, "packs/hello");

beforeAll(async () => {
  // Running as root, services run as other users, who must be able to enter.
  chmodSync(home, 0o755);
  const left = new Set(["node_modules", ".git", ".sonde", "dist"].map((n) => join(workspace, n)));
  cpSync(workspace, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !left.has(path),
  });
  symlinkSync(join(workspace, "node_modules"), join(copy, "node_modules"));

  await askProgram("sonde-pack", ["init", "sonde/hello", folder]);
  writeFileSync(join(folder, "README.md"), "# hello\n\nGreets, and reads the uptime.\n");
  const manifest = {
    name: "@sonde/pack-hello",
    private: true,
    type: "module",
    dependencies: { "@sonde/pack-sdk": "workspace:*" },
  };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  // As an install does.
  mkdirSync(join(folder, "node_modules/@sonde"), { recursive: true });
  symlinkSync(join(copy, "pack-sdk"), join(folder, "node_modules/@sonde/pack-sdk"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

test("npm start builds, publishes, installs and serves it", async () => {
  await using product = await startProduct({ workspace: copy });
  expect(product.packs).toContainEqual(
    expect.objectContaining({ name: "sonde/hello", version: "0.1.0", state: "active" }),
  );
  const client = await connectOlderClient(product.mcpUrl, product.apiKey);
  const { results } = await client.call("hello_greet", { agent: product.agent, name: "Ada" });
  await client.close();
  expect(results[0]?.data?.["greeting"]).toMatch(/^Hello Ada, /);
});

test("its types, its fixtures and the architecture rules are checked", async () => {
  const bin = (name: string) => join(copy, "node_modules/.bin", name);
  const { stdout: files } = await run(
    bin("tsc"),
    ["-p", "tsconfig.guest.json", "--listFilesOnly"],
    { cwd: copy },
  );
  expect(files).toContain(join(folder, "src/greet.ts"));
  const checks = ["test/official-packs.test.ts", "test/architecture.test.ts"];
  // Exits with another code than 0, which fails this test, when a test fails or none is found.
  const { stdout } = await run(bin("vitest"), ["run", "--reporter=verbose", ...checks], {
    cwd: copy,
    env: { PATH: process.env["PATH"], NO_COLOR: "1" },
  });
  expect(stdout).toMatch(
    /✓ .*test\/official-packs\.test\.ts > sonde\/hello > greet: in the isolate/,
  );
  expect(stdout).toMatch(/✓ .*test\/architecture\.test\.ts > packs import only guest modules/);
});
