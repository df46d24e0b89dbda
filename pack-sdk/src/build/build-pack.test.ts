import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import type { ErrorCode } from "@sonde/schemas/errors";
import { readArchive } from "@sonde/trust/archive";
import { afterAll, describe, expect, test } from "vitest";
import { buildPack } from "./build-pack.ts";

const run = promisify(execFile);
const root = await mkdtemp(path.join(tmpdir(), "sonde-build-"));
afterAll(() => rm(root, { recursive: true }));

const SYSTEM = fileURLToPath(new URL("../../../packs/system", import.meta.url));
const BUILD = fileURLToPath(new URL("./build-pack.ts", import.meta.url));

let made = 0;
async function writePack(packTs: string, more: Record<string, string> = {}): Promise<string> {
  const folder = path.join(root, `pack-${(made += 1)}`);
  await mkdir(path.join(folder, "src"), { recursive: true });
  const files = { "README.md": "# x\n", LICENSE: "MIT\n", "src/pack.ts": packTs, ...more };
  for (const [name, text] of Object.entries(files)) {
    if (text !== "") await writeFile(path.join(folder, name), text);
  }
  return folder;
}

const IMPORT = `import { pack, probe, source, t } from "@sonde/pack-sdk/author";\n`;
const IDENTITY = `name: "acme/hello", version: "1.2.3", description: "A pack of this test.", license: "MIT", repository: "https://example.com/hello"`;
const SOURCES = `const load = source.file({ path: "/proc/loadavg" });
const kill = source.exec({ command: "kill", argv: ["-9", "1"] });\n`;
const GREET = `probe({ description: "Says hello.", result: t.object({}), reads: { load }, run: () => ({}) })`;
const packWith = (more: string): string =>
  `${IMPORT}${SOURCES}export default pack({ ${IDENTITY}, ${more} });\n`;

async function failureOf(folder: string): Promise<{ code: ErrorCode; message: string }> {
  try {
    await buildPack(folder);
  } catch (error) {
    return error as { code: ErrorCode; message: string };
  }
  throw new Error("expected the build to fail");
}

describe("the archive", () => {
  test("is the same in another folder, on another day, in another time zone, in another process", async () => {
    const here = await buildPack(SYSTEM);
    const copy = path.join(root, "a longer folder, with blanks");
    await cp(SYSTEM, copy, { recursive: true, filter: (file) => !file.includes("node_modules") });
    for (const name of ["README.md", "LICENSE", "src/pack.ts", "src/overview.ts"]) {
      await utimes(path.join(copy, name), 1, 1);
    }
    await writeFile(path.join(copy, "tsconfig.json"), '{"compilerOptions":{"target":"es5"}}');
    const script = `const { buildPack } = await import(${JSON.stringify(BUILD)});
      process.stdout.write((await buildPack(".")).digest);`;
    const { stdout } = await run(
      process.execPath,
      ["--conditions=sonde:source", "--input-type=module", "-e", script],
      { cwd: copy, env: { TZ: "Pacific/Apia", LANG: "tr_TR.UTF-8", HOME: copy } },
    );
    expect(stdout).toBe(here.digest);
  });

  test("contains the four files, and its code contains no path of this machine", async () => {
    const { archive, fileName, manifest } = await buildPack(SYSTEM);
    const files = readArchive(archive);
    expect(fileName).toBe(`system-${manifest.version}.tgz`);
    expect(files.map((file) => file.path)).toEqual([
      "LICENSE",
      "README.md",
      "index.js",
      "pack.json",
    ]);
    const code = Buffer.from(files[2]?.bytes ?? []).toString("utf8");
    expect(code).toContain("// src/disk-usage.ts");
    expect(code).toContain("// sonde:author/t.ts");
    expect(code).toContain("// sonde:parse/lines.ts");
    expect(code).not.toContain(path.dirname(path.dirname(SYSTEM)));
  });

  test("declares the requirements and the level of its sources", async () => {
    const built = await buildPack(
      await writePack(
        packWith(`groups: ["adm"], sources: { load, kill }, probes: { greet: ${GREET},
          "kill.all": probe({ description: "Kills the first process.", capability: "manage", result: t.object({}), reads: { kill }, run: () => ({}) }) }`),
      ),
    );
    expect(built.manifest.requires).toEqual({
      groups: ["adm"],
      commands: ["kill -9 1"],
      files: ["/proc/loadavg"],
      sockets: [],
    });
    expect(Object.fromEntries(built.capabilities)).toEqual({
      greet: "observe",
      "kill.all": "manage",
    });
  });
});

describe("BUILD_FAILED says where", () => {
  test.each([
    ["a syntax error", `${IMPORT}\nconst a = ;\n`, /^src\/pack\.ts:3: /],
    [
      "a module that is not there",
      `${IMPORT}import "./nothing.ts";\n`,
      /^src\/pack\.ts:2: .*nothing/,
    ],
    ["a module of Node", `import "node:fs";\n`, /^src\/pack\.ts:1: .*node:fs/],
    [
      "a part of the SDK that is not for guests",
      `import "@sonde/pack-sdk/runtime";\n`,
      /^src\/pack\.ts:1: .*runtime/,
    ],
    [
      "a throw while it loads",
      `${IMPORT}\n\nthrow new Error("boom");\n`,
      /^src\/pack\.ts:4: boom$/,
    ],
    ["a loop while it loads", `${IMPORT}for (;;);\n`, /5000 ms/],
    ["a global that is not there", `${IMPORT}process.exit();\n`, /^src\/pack\.ts:2: process/],
    ["no default export", `export const x = 1;\n`, /pack\(\{/],
    ["no pack at all", `export default { run() {} };\n`, /plain data/],
    [
      "a source that is not listed",
      packWith(`sources: { kill }, probes: { greet: ${GREET} }`),
      /read load/,
    ],
  ])("%s", async (_what, text, message) => {
    const failure = await failureOf(await writePack(text));
    expect(failure.code).toBe("BUILD_FAILED");
    expect(failure.message).toMatch(message);
  });

  test.each(["README.md", "LICENSE", "src/pack.ts"])("a missing %s", async (name) => {
    const folder = await writePack(packWith(`sources: { load }, probes: { greet: ${GREET} }`));
    await rm(path.join(folder, name));
    const failure = await failureOf(folder);
    expect(failure.code).toBe("BUILD_FAILED");
    expect(failure.message).toContain(name);
  });
});

test.each<[string, ErrorCode, string]>([
  ["a description without a period", "MANIFEST_INVALID", GREET.replace("hello.", "hello there")],
  [
    "an enum in a result",
    "MANIFEST_INVALID",
    GREET.replace("t.object({})", `t.object({ a: t.enumOf(["x"]) })`).replace(
      "({})",
      `({ a: "x" as const })`,
    ),
  ],
  [
    "code from text",
    "CODE_REFUSED",
    GREET.replace("() => ({})", `() => { (0, eval)("1"); return {}; }`),
  ],
])("%s is refused as %s", async (_what, code, greet) => {
  const folder = await writePack(packWith(`sources: { load }, probes: { greet: ${greet} }`));
  expect((await failureOf(folder)).code).toBe(code);
});
