import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createChars } from "./chars.ts";

export type Part = "learn" | "measure" | "third";

const FOLDER = join(import.meta.dirname, "independent");

/**
 * A text that was written before its author read the rules, unless its file ends with `-later`.
 * `part` says whether the rules may be changed for its kind ("learn", and the innocents of
 * "third"), or whether it only measures ("measure", and the secrets of "third").
 */
export type IndependentText = {
  family: string;
  part: Part;
  text: string;
  secrets: string[];
};

/**
 * Reads the files of a kind. A line is a text: `\n` is a line break, `{hex:40}` a drawn value, and
 * `«...»` encloses what must not survive. A line `== name` begins a family.
 */
export function buildIndependent(kind: "secrets" | "innocents", seed: number): IndependentText[] {
  const files = readdirSync(FOLDER).filter((file) => file.startsWith(`${kind}-`));
  return files.toSorted().flatMap((file) => {
    // A draw for each file, so that a new file does not move the others.
    const draw = createDraw(seed);
    let family = "";
    return readFileSync(join(FOLDER, file), "utf8")
      .split("\n")
      .flatMap((line) => {
        if (line.startsWith("== ")) {
          family = line.slice(3);
        }
        if (line === "" || line.startsWith("== ")) {
          return [];
        }
        const marked = draw(unescape(line));
        const secrets = [...marked.matchAll(/«([^»]*)»/g)].flatMap(([, secret]) => lines(secret));
        return [
          {
            family,
            part: partOf(file, line),
            text: marked.replace(/[«»]/g, ""),
            secrets,
          },
        ];
      });
  });
}

/** Chance by the text itself, so that a new text does not move the others. */
function partOf(file: string, line: string): Part {
  if (file.endsWith("-third.txt")) return "third";
  if (file.endsWith("-later.txt")) return "learn";
  const [first] = createHash("sha256").update(line).digest();
  return Number(first) % 2 === 0 ? "learn" : "measure";
}

/** `\\n` in a file stays `\n`, as in a JSON string. */
function unescape(line: string): string {
  const breaks: Record<string, string> = { "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\" };
  return line.replace(/\\[nrt\\]/g, (escaped) => breaks[escaped] ?? escaped);
}

/** No line of a secret with several lines may stay; what is shorter than 8 is an ornament. */
function lines(secret: string | undefined): string[] {
  const all = (secret ?? "").split(/\r?\n|\\n/).map((line) => line.replace(/^[>\s]+/, ""));
  return all.length === 1 ? all : all.filter((line) => line.length >= 8);
}

function createDraw(seed: number): (line: string) => string {
  const chars = createChars(seed);
  const kinds: Record<string, (count: number) => string> = {
    ...chars,
    b64: chars.base64,
    hexup: (count) => chars.hex(count).toUpperCase(),
    hexcolon: (count) => Array.from({ length: count }, () => chars.hex(2).toUpperCase()).join(":"),
    uuid: () => [8, 4, 4, 4, 12].map(chars.hex).join("-"),
    // A password as people choose it: a word with a capital, a year or a number, a sign.
    human: () => {
      const word = chars.word(6);
      return `${word[0]?.toUpperCase()}${word.slice(1)}${chars.digits(3)}!`;
    },
    words: () => `${chars.word(5)}-${chars.word(7)}-${chars.digits(2)}`,
  };
  return (line) =>
    line.replace(/\{([a-z0-9]+)(?::(\d+))?\}/g, (whole, kind: string, count = "0") =>
      kinds[kind] === undefined ? whole : kinds[kind](Number(count)),
    );
}
