import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { findPacks } from "../cli/src/pack/find-packs.ts";

const root = resolve(import.meta.dirname, "..");

/** Packs are found by their folders; no list names them. */
function forEachPack(allowed: string[]): Record<string, string[]> {
  return Object.fromEntries(
    findPacks(join(root, "packs")).map((folder) => [relative(root, folder), allowed]),
  );
}

/** What each folder may import from this workspace; docs/ARCHITECTURE.md has the same table. */
const MAY_IMPORT: Record<string, string[]> = {
  schemas: [],
  "foundation/scrub": ["@sonde/schemas"],
  "foundation/sources": ["@sonde/schemas"],
  "foundation/files": ["@sonde/schemas"],
  "foundation/runbooks": ["@sonde/schemas"],
  "foundation/trust": [
    "@sonde/schemas",
    "@sonde/sources",
    "@sonde/runbooks",
    "@sonde/files",
    "@sonde/privileges",
  ],
  "foundation/database": ["@sonde/files"],
  "foundation/service": ["@sonde/schemas", "@sonde/database", "@sonde/files", "@sonde/privileges"],
  "foundation/privileges": ["@sonde/schemas"],
  "pack-sdk": ["@sonde/schemas", "@sonde/sources", "@sonde/runbooks", "@sonde/trust"],
  ...forEachPack(["@sonde/pack-sdk/author", "@sonde/pack-sdk/parse"]),
  "agent/daemon": [
    "@sonde/schemas",
    "@sonde/scrub",
    "@sonde/sources",
    "@sonde/trust",
    "@sonde/privileges",
    "@sonde/files",
  ],
  "agent/runner": [
    "@sonde/schemas",
    "@sonde/sources",
    "@sonde/privileges",
    "@sonde/files",
    "@sonde/pack-sdk/runtime",
  ],
  hub: [
    "@sonde/schemas",
    "@sonde/scrub",
    "@sonde/sources",
    "@sonde/runbooks",
    "@sonde/trust",
    "@sonde/database",
    "@sonde/files",
    "@sonde/service",
  ],
  "hub/web": ["@sonde/schemas", "@sonde/service"],
  registry: [
    "@sonde/schemas",
    "@sonde/sources",
    "@sonde/trust",
    "@sonde/database",
    "@sonde/service",
  ],
  cli: [
    "@sonde/schemas",
    "@sonde/scrub",
    "@sonde/sources",
    "@sonde/trust",
    "@sonde/pack-sdk",
    "@sonde/files",
  ],
};
/** Imports that only tests may make, beyond the table. */
const TESTS_MAY_IMPORT: Record<string, string[]> = {
  ...forEachPack(["@sonde/pack-sdk/testing"]),
  "agent/daemon": ["@sonde/pack-sdk/build", "@sonde/pack-sdk/author", "@sonde/pack-sdk/sign"],
  "agent/runner": ["@sonde/privileges/testing"],
  registry: ["@sonde/pack-sdk/sign"],
};
/** Packages that only the named files may import. */
const ONLY: Record<string, string[]> = {
  "isolated-vm": ["pack-sdk/src/runtime/"],
  "@sonde/trust/ca": ["hub/src/", "registry/src/edge/own-certificate.ts", "foundation/trust/src/"],
  "@peculiar/x509": [
    "foundation/trust/src/ca/",
    "agent/daemon/src/enrol.ts",
    "agent/daemon/src/edge/enrol/",
  ],
  mysql2: ["agent/runner/src/powers/mysql-session.ts"],
  postgres: [
    ...["foundation/database/src/", "hub/src/", "registry/src/edge/store/"],
    "agent/runner/src/powers/postgres-session.ts",
  ],
  preact: ["hub/web/src/page/"],
  "preact/hooks": ["hub/web/src/page/"],
  jose: ["foundation/service/src/oidc/"],
  re2js: ["foundation/scrub/src/own-patterns.ts"],
  "@modelcontextprotocol/server": ["hub/src/mcp/", "hub/src/web/"],
};

type Import = { file: string; from: string; specifier: string };

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !["node_modules", "dist", "fixtures"].includes(entry.name)) {
      yield* sourceFiles(path);
    } else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

function readImports(): { imports: Import[]; files: string[] } {
  const files: string[] = [];
  const imports: Import[] = [];
  for (const from of Object.keys(MAY_IMPORT)) {
    for (const path of sourceFiles(join(root, from, "src"))) {
      files.push(relative(root, path));
      const text = readFileSync(path, "utf8");
      for (const [, named, forEffect, dynamic] of text.matchAll(
        /^(?:import|export)\b[^"';]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm,
      )) {
        const specifier = named ?? forEffect ?? dynamic;
        if (specifier !== undefined) imports.push({ file: relative(root, path), from, specifier });
      }
    }
  }
  return { imports, files };
}

const { imports, files } = readImports();
const isTest = (file: string) => /\.test\.ts$|\/testing\//.test(file);

test("enough files were read for the other tests to be meaningful", () => {
  expect(files.length).toBeGreaterThan(150);
  expect(imports.length).toBeGreaterThan(600);
  for (const folder of Object.keys(MAY_IMPORT)) {
    expect(
      files.some((file) => file.startsWith(`${folder}/`)),
      folder,
    ).toBe(true);
  }
});

test("every folder imports only what the table allows", () => {
  const wrong = imports.filter(({ file, from, specifier }) => {
    if (!specifier.startsWith("@sonde/")) return false;
    const own = from === "pack-sdk" ? ["@sonde/pack-sdk"] : [];
    const allowed = [
      ...own,
      ...(MAY_IMPORT[from] ?? []),
      ...(isTest(file)
        ? [...(TESTS_MAY_IMPORT[from] ?? []), "@sonde/database/testing", "@sonde/trust/testing"]
        : []),
    ];
    return !allowed.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  });
  expect(wrong).toEqual([]);
});

test("docs/ARCHITECTURE.md has the same table", () => {
  const text = readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8");
  const [, table = ""] = /\| may import \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/.exec(text) ?? [];
  const rows = [...table.matchAll(/^\| `([^`]+)\/` \|.*\| ([^|]+) \|$/gm)].map(
    ([, folder = "", allowed = ""]) => {
      const [always = ""] = allowed.split(/; tests also|\(never/);
      const rest = /\(never [^)]*\)(.*)/.exec(allowed)?.[1] ?? "";
      return [
        folder,
        [...`${always}${rest}`.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort(),
      ];
    },
  );
  const said = new Map(rows as [string, string[]][]);
  said.delete("test");
  const checked = Object.entries(MAY_IMPORT).map(([folder, allowed]): [string, string[]] => [
    folder.replace(/^packs\/.*/, "packs/*"),
    allowed.map((name) => name.replace("@sonde/", "")).sort(),
  ]);
  expect(said).toEqual(new Map(checked));
});

test("no relative import leaves its package", () => {
  const wrong = imports.filter(({ file, from, specifier }) => {
    if (!specifier.startsWith(".")) return false;
    return !resolve(root, file, "..", specifier).startsWith(`${join(root, from, "src")}/`);
  });
  expect(wrong).toEqual([]);
});

test("each package with dangerous powers is imported in one place only", () => {
  const wrong = imports.filter(({ file, specifier }) => {
    const places = Object.entries(ONLY).find(([name]) => specifier === name)?.[1];
    return places !== undefined && !isTest(file) && !places.some((place) => file.startsWith(place));
  });
  expect(wrong).toEqual([]);
});

test("the agent's bundle contains the hash chain, and of the Merkle log what checks a hub's checkpoint", async () => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["agent/daemon/src/main.ts"],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    conditions: ["sonde:source"],
  });
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((file) => (inputs[file]?.bytesInOutput ?? 0) > 0),
  );
  expect(used).toContain("foundation/trust/src/chain/chain.ts");
  // Of a registry's log, the daemon needs only whether a version was withdrawn.
  const ofLog = used.filter((file) => file.startsWith("foundation/trust/src/log/"));
  const needed = ["checkpoint", "merkle", "signed-note", "withdrawals"];
  expect(ofLog.toSorted()).toEqual(needed.map((name) => `foundation/trust/src/log/${name}.ts`));
  const ofHubLog = used.filter((file) => file.startsWith("foundation/trust/src/hub-log/"));
  expect(ofHubLog).toEqual(["foundation/trust/src/hub-log/hub-log.ts"]);
});

const isCore = (file: string): boolean =>
  !isTest(file) && /^(hub\/src\/[^/]+|(agent\/daemon|registry)\/src)\/core\//.test(file);

test("only tests import test code", () => {
  const wrong = imports.filter(
    ({ file, specifier }) =>
      /\/testing(\/|$)/.test(specifier) &&
      !isTest(file) &&
      // `sonde-pack test` is the command-line interface of this module.
      specifier !== "@sonde/pack-sdk/testing",
  );
  expect(wrong).toEqual([]);
});

test("core has no I/O and imports no edge", () => {
  const forbidden =
    /^(postgres|node:(fs|net|tls|http|https|http2|dgram|dns|child_process|worker_threads|process))/;
  const wrong = imports.filter(
    ({ file, specifier }) =>
      isCore(file) && (forbidden.test(specifier) || specifier.includes("/edge/")),
  );
  expect(wrong).toEqual([]);
  expect(files.filter(isCore).length).toBeGreaterThan(40);
});

test("core uses no clock, timer, randomness or environment", () => {
  const own =
    /\b(setTimeout|setInterval|setImmediate)\(|\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|\brandom(UUID|Bytes|Int)\(|\bprocess\.(env|argv|pid|exit|getuid)\b/;
  const wrong = files.filter(
    (file) => isCore(file) && own.test(readFileSync(join(root, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});

test("a feature of the hub imports another only through its index, and main wires the features", () => {
  const featureOf = (path: string) => /^hub\/src\/([a-z-]+)\//.exec(path)?.[1];
  const wrong = imports.filter(({ file, specifier }) => {
    if (!file.startsWith("hub/src/") || isTest(file) || !specifier.startsWith(".")) return false;
    const target = relative(root, resolve(root, file, "..", specifier));
    const to = featureOf(target);
    if (to === undefined || to === featureOf(file)) return false;
    // The listener and the keys belong to the hub itself and are not features.
    return !target.endsWith("/index.ts") && !["keys", "web"].includes(to);
  });
  expect(wrong).toEqual([]);
});

test("packs import only guest modules and their own files", () => {
  const wrong = imports.filter(
    ({ file, specifier }) =>
      file.startsWith("packs/") &&
      !isTest(file) &&
      !specifier.startsWith("./") &&
      !["@sonde/pack-sdk/author", "@sonde/pack-sdk/parse"].includes(specifier),
  );
  expect(wrong).toEqual([]);
});

test("guest modules import only their own files", () => {
  const ofGuests = imports.filter(
    ({ file }) => /^pack-sdk\/src\/(author|parse)\//.test(file) && !isTest(file),
  );
  expect(ofGuests.filter(({ specifier }) => !specifier.startsWith("./"))).toEqual([]);
  expect(ofGuests.length).toBeGreaterThan(10);
});

test("package.json names exactly the workspace packages that are imported", () => {
  for (const folder of Object.keys(MAY_IMPORT)) {
    const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as {
      dependencies?: Record<string, string>;
      devDependencies?: Record<string, string>;
    };
    const declared = { ...manifest.dependencies, ...manifest.devDependencies };
    const used = new Set(
      imports
        .filter(({ from, specifier }) => from === folder && specifier.startsWith("@sonde/"))
        .map(({ specifier }) => specifier.split("/").slice(0, 2).join("/")),
    );
    const named = Object.keys(declared).filter((name) => name.startsWith("@sonde/"));
    // A package may import its own subpaths by name without listing itself.
    used.delete(`@sonde/${folder}`);
    expect(new Set(named), folder).toEqual(used);
    for (const version of Object.values(declared)) expect(version).toMatch(/^(workspace:\*|\d)/);
  }
});

test("folders and files have meaningful names", () => {
  const wrong = files.filter((file) =>
    /(^|\/)(utils?|helpers?|common|misc|lib)(\/|\.ts$)/.test(file),
  );
  expect(wrong).toEqual([]);
  expect(files.filter((file) => /[A-Z_ ]/.test(file))).toEqual([]);
});

test("docs/ARCHITECTURE.md names files that exist", () => {
  const text = readFileSync(join(root, "docs/ARCHITECTURE.md"), "utf8");
  const named = [...text.matchAll(/`([\w./-]+\.(?:ts|mjs|json|md))`/g)].map(
    ([, path]) => path as string,
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
