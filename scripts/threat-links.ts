// Finds tests and files that cite docs/threat-model.md by number, and renders
// docs/threat-model-tests.md.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

type Kind = "layer" | "identity rule" | "attack";
type Citation = { kind: Kind; number: number };
/** What a test cites, with its title if it has one. */
type TestCitation = Citation & { title: string | undefined };

type Mutant = { why: string; test: string; case?: string };

const CITATION = /\b(attack|identity rule|layer)s? (\d+(?:(?:, and |, | and )\d+)*)/gi;
const COMMENT = /^\s*(?:\/\/|\*|\/\*)/;
const HEADINGS: Record<Kind, string> = {
  layer: "Layers",
  "identity rule": "Identity rules",
  attack: "Attacks",
};

/** Each number that a text cites. */
export function readCitations(text: string): Citation[] {
  return [...text.matchAll(CITATION)].flatMap(([, kind = "", numbers = ""]) =>
    [...numbers.matchAll(/\d+/g)].map(([number]) => ({
      kind: kind.toLowerCase() as Kind,
      number: Number(number),
    })),
  );
}

/** Paths, relative to the root, of all files that may cite. */
export function* citingFiles(root: string, folder = ""): Generator<string> {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (/^(?:node_modules|dist|fixtures|docs|\..*)$/.test(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* citingFiles(root, path);
    else if (/\.(?:ts|mjs|json)$/.test(entry.name)) yield path;
  }
}

/** The document's texts for the numbers of one kind. */
export function readDefined(document: string, kind: Kind): Map<number, string> {
  const [, after = ""] = document.split(`\n## ${HEADINGS[kind]}\n`);
  const [section = ""] = after.split("\n## ");
  return new Map(
    [...section.matchAll(/^(\d+)\. (.+)$/gm)].map(([, number, text = ""]) => [
      Number(number),
      text,
    ]),
  );
}

function citationsOfTest(text: string): TestCitation[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    if (COMMENT.test(line)) {
      const title = titleBeneath(lines, index);
      return readCitations(line).map((cited) => ({ ...cited, title }));
    }
    return [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].flatMap(([, title = ""]) =>
      // A bare number is a value in the test's data, not a citation.
      /\d$/.test(title) ? [] : readCitations(title).map((cited) => ({ ...cited, title })),
    );
  });
}

/** A comment cites for the test below it, else for the file. */
function titleBeneath(lines: string[], index: number): string | undefined {
  const next = lines.slice(index + 1).find((line) => !COMMENT.test(line)) ?? "";
  return /^\s*(?:test|describe)\b.*?"([^"]+)", /.exec(next)?.[1];
}

/** Escapes Markdown: a test's name is plain text here. */
const escapeMarkdown = (text: string) => text.replaceAll(/[\\`*_<>[\]|]/g, String.raw`\$&`);

/** The text of docs/threat-model-tests.md. */
export function renderThreatLinks(root: string): string {
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const files = [...citingFiles(root)];
  const tests = files
    .filter((path) => path.endsWith(".test.ts"))
    .flatMap((path) => citationsOfTest(read(path)).map((cited) => ({ ...cited, path })));
  const mutants = files
    .filter((path) => path.startsWith("test/mutants/"))
    .flatMap((path) => {
      const { why, test, case: title = "" } = JSON.parse(read(path)) as Mutant;
      const name = path.slice("test/mutants/".length, -".json".length);
      return readCitations(`${why}; ${title}`).map((cited) => ({ ...cited, name, test }));
    });
  const blocks = [...readDefined(read("docs/threat-model.md"), "attack")].flatMap(
    ([number, text]) => {
      const isThis = (cited: Citation) => cited.kind === "attack" && cited.number === number;
      const named = tests
        .filter(isThis)
        .map(({ path, title }) =>
          title === undefined ? `\`${path}\`` : `\`${path}\`: ${escapeMarkdown(title)}`,
        );
      const killers = mutants.filter(isThis);
      const links = named.length > 0 ? named : killers.map(({ test }) => `\`${test}\``);
      const names = killers.map(({ name }) => `\`${name}\``);
      const list = links.length > 0 ? [...new Set(links)] : ["No test yet."];
      if (names.length > 0) list.push(`mutants: ${[...new Set(names)].join(" ")}`);
      const [situation = ""] = text.split(" *Expected:*");
      return [`## Attack ${number}`, situation, list.map((line) => `- ${line}`).join("\n")];
    },
  );
  const intro = [
    "# Tests and mutants by attack",
    "`npm run generate` makes this list from the numbers that tests and mutants cite. [threat-model.md](threat-model.md) says what is expected of each attack. [SECURITY.md](SECURITY.md) lists the mutants of each layer.",
  ];
  return `${[...intro, ...blocks].join("\n\n")}\n`;
}
