import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { anyCase } from "./any-case.ts";
import { RULE_PASSES } from "./scrub-rules.ts";
import { scrub } from "./scrub.ts";
import { NAME_END, SECRET_ENDINGS, SECRET_WORDS, isSecretName } from "./secret-names.ts";

const clean = (text: string) =>
  String(scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() }));

/** The parts of each name in `SECRET_ENDINGS` that a spelling keeps apart. */
const PARTS =
  /^(password|connection|account|access|api|encryption|master|pre|private|secret|shared|signing|client|code|seed|recovery|key)(?=[a-z])(?!words?$|code$|phrase$|wd$|wort$)/;

function partsOf(name: string): string[] {
  const first = PARTS.exec(name)?.[1];
  return first === undefined ? [name] : [first, ...partsOf(name.slice(first.length))];
}

function spellingsOf(parts: string[]): string[] {
  const capital = (part: string) => part.slice(0, 1).toUpperCase() + part.slice(1);
  const pascal = parts.map(capital).join("");
  return [
    parts.join("_"),
    parts.join("-"),
    parts.join("_").toUpperCase(),
    pascal.slice(0, 1).toLowerCase() + pascal.slice(1),
    pascal,
    parts.join("-").toUpperCase(),
    parts.map(capital).join("-"),
  ];
}

const NAMES = [
  ...SECRET_ENDINGS.map(partsOf),
  ...SECRET_WORDS.map((word) => ["db", word]),
  ...SECRET_ENDINGS.map((name) => ["db", ...partsOf(name)]),
];
const SPELLINGS = NAMES.flatMap((parts) => {
  const last = parts.at(-1) ?? "";
  const plural = /(?:ss|sh)$/.test(last) ? [] : [[...parts.slice(0, -1), `${last}s`]];
  const numbered = [...parts.slice(0, -1), `${last}2`];
  return [parts, ...plural, numbered].flatMap(spellingsOf);
});
const VALUE = "Zx81-aB77cD00eF33";
const CONTEXTS: Record<string, (name: string) => string> = {
  colon: (name) => `x ${name}: ${VALUE}`,
  equals: (name) => `x ${name}=${VALUE}`,
  arrow: (name) => `'${name}' => '${VALUE}'`,
  JSON: (name) => `cut {"${name}": "${VALUE}"`,
  "JSON in a string": (name) => `cut {\\"${name}\\":\\"${VALUE}\\"`,
  quoted: (name) => `x ${name} = "${VALUE}"`,
  option: (name) => `run --${name} ${VALUE}`,
  "option with equals": (name) => `run --${name}=${VALUE}`,
  element: (name) => `<${name}>${VALUE}</${name}>`,
  "encoded address": (name) => `x?${name}%3D${VALUE}`,
  member: (name) => JSON.stringify({ [name]: VALUE }),
  line: (name) => `a 1\n  ${name} ${VALUE}\n`,
};

test.each(Object.keys(CONTEXTS))(
  "attack 53: each name in each spelling marks a secret: %s",
  (context) => {
    const missed = SPELLINGS.filter((name) =>
      clean(CONTEXTS[context]?.(name) ?? "").includes(VALUE),
    );
    expect(missed).toEqual([]);
  },
);

test("the engine finds each name as a comparison in small letters does", () => {
  const search = new RegExp(`(?<=${NAME_END})$`);
  for (const name of SPELLINGS) {
    // The reference uses no pattern: the names' list, in small letters.
    const folded = name
      .toLowerCase()
      .replaceAll(/[_-]|2$/g, "")
      .replace(/([^s])s$/, "$1");
    const isNamed = [...SECRET_ENDINGS, ...SECRET_WORDS].some((end) => folded.endsWith(end));
    expect([name, search.test(name), isSecretName(name)]).toEqual([name, isNamed, isNamed]);
  }
});

test("no rule has a group with flags of its own, which the engine loses", () => {
  const folder = new URL(".", import.meta.url);
  const files = readdirSync(folder).filter((file) => /^(?!.*\.test\.).*\.ts$/.test(file));
  expect(files).toContain("scrub-rules.ts");
  for (const file of files) {
    const code = readFileSync(new URL(file, folder), "utf8").replaceAll(/^ *(?:\*|\/\/).*$/gm, "");
    expect([file, /\(\?[ims-]+:/.exec(code)?.[0]]).toEqual([file, undefined]);
  }
  const flags = RULE_PASSES.map(({ pattern }) => pattern.flags);
  expect([...flags, anyCase("k-y")]).toEqual(["g", "g", "g", "[kK]-[yY]"]);
});

// A word that excuses a key, as in `primary key`, excuses nothing else.
test.each(
  [
    "primary",
    "public",
    "registry",
    "host",
    "config",
    "hash",
    "map",
    "page",
    "use",
    "has",
    "no",
  ].flatMap((word) =>
    ["password", "passwd", "passphrase", "secret", "api_key"].map((end) => `${word}_${end}`),
  ),
)("%s is the name of a secret", (name) => {
  for (const written of [name, name.toUpperCase(), name.replaceAll("_", "-")]) {
    expect(isSecretName(written), written).toBe(true);
  }
});

test.each(["registry_token", "host_token", "group_token", "use_token", "HOST_KEY", "REGISTRY_KEY"])(
  "%s is the name of a secret too",
  (name) => {
    expect(isSecretName(name)).toBe(true);
  },
);
