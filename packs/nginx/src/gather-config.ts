import type { Failure, Look } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { type Directive, parseConfig } from "./parse-config.ts";

export type NotRead = { what: string; reason: string };

/** The whole configuration, with each `include` replaced by what it includes. */
export type Config = {
  directives: Directive[];
  fileCount: number;
  notRead: NotRead[];
  incomplete: boolean;
};

type Folder =
  | {
      ok: true;
      truncated: boolean;
      entries: readonly { name: string; text?: string; failure?: Failure }[];
    }
  | { ok: false; failure: Failure };
type Read = Map<string, { text: string } | { reason: string }>;

const ROOT = "/etc/nginx";
const MOST_DEPTH = 10;
const MOST_DIRECTIVES = 20_000;

/** Lists of types, codes and parameters, and modules: nothing in them says what is served. */
const LEFT_OUT = /^(mime\.types|.*_params|fastcgi\.conf|koi-.*|win-utf|modules-enabled\/.*)$/;

/** What `config` and `access.summary` read of the configuration. */
export type ConfigReads = {
  main: Look<"file">;
  confD: Folder;
  defaultD: Folder;
  sitesEnabled: Folder;
  snippets: Folder;
};

export function gatherConfig({ main, ...reads }: ConfigReads): Config {
  const folders = {
    "conf.d": reads.confD,
    "default.d": reads.defaultD,
    "sites-enabled": reads.sitesEnabled,
    snippets: reads.snippets,
  };
  const read: Read = new Map([["nginx.conf", { text: main.text }]]);
  const config: Config = {
    directives: [],
    fileCount: 0,
    notRead: [],
    incomplete: main.truncated,
  };
  for (const [name, folder] of Object.entries(folders)) {
    if (!folder.ok) {
      const { code, message } = folder.failure;
      // A folder that is not there is not included either, or the include says so.
      if (code !== "SOURCE_NOT_FOUND") config.notRead.push({ what: name, reason: message });
      continue;
    }
    config.incomplete ||= folder.truncated;
    for (const { name: file, text, failure } of folder.entries) {
      const found = text === undefined ? { reason: failure?.message ?? "no text" } : { text };
      read.set(`${name}/${file}`, found);
    }
  }
  const gathering = { read, config, budget: { left: MOST_DIRECTIVES } };
  config.directives = expandFile("nginx.conf", gathering, 0);
  return config;
}

type Gathering = { read: Read; config: Config; budget: { left: number } };

function expandFile(file: string, gathering: Gathering, depth: number): Directive[] {
  const { read, config } = gathering;
  const found = read.get(file);
  if (found === undefined || "reason" in found) {
    config.notRead.push({ what: file, reason: found?.reason ?? "it is not there" });
    return [];
  }
  const { directives, problem } = parseConfig(found.text, file);
  config.fileCount += 1;
  if (problem !== null) config.notRead.push({ what: file, reason: problem });
  return expandBlock(directives, gathering, depth);
}

function expandBlock(directives: Directive[], gathering: Gathering, depth: number): Directive[] {
  return directives.flatMap((directive) => {
    gathering.budget.left -= 1;
    if (gathering.budget.left < 0) {
      gathering.config.incomplete = true;
      return [];
    }
    if (directive.name === "include" && directive.block === null) {
      return expandInclude(directive, gathering, depth);
    }
    const { block } = directive;
    return [{ ...directive, block: block && expandBlock(block, gathering, depth) }];
  });
}

function expandInclude(
  { args, file, line }: Directive,
  gathering: Gathering,
  depth: number,
): Directive[] {
  const { read, config } = gathering;
  const [pattern = ""] = args;
  const what = `include ${pattern} (${file}:${line})`;
  const relative = pattern.startsWith(`${ROOT}/`) ? pattern.slice(ROOT.length + 1) : pattern;
  if (LEFT_OUT.test(relative)) return [];
  if (relative.startsWith("/") || relative.split("/").includes("..")) {
    config.notRead.push({ what, reason: `it is not beneath ${ROOT}` });
    return [];
  }
  if (depth >= MOST_DEPTH) {
    config.notRead.push({ what, reason: "too many includes within each other" });
    return [];
  }
  if (!/[*?[]/.test(relative) && read.has(relative)) {
    return expandFile(relative, gathering, depth + 1);
  }
  const [folder = "", name] = relative.split("/");
  if (name === undefined || relative.split("/").length > 2 || !KNOWN_FOLDERS.has(folder)) {
    config.notRead.push({ what, reason: "this pack does not read that file" });
    return [];
  }
  const fits = matcherOf(relative);
  const files = [...read.keys()].filter((one) => fits(one)).toSorted(compareText);
  // nginx takes a pattern that fits nothing as nothing, and refuses a name that is not there.
  if (files.length === 0 && !/[*?[]/.test(relative)) {
    config.notRead.push({ what, reason: "it is not there" });
  }
  return files.flatMap((one) => expandFile(one, gathering, depth + 1));
}

const KNOWN_FOLDERS: ReadonlySet<string> = new Set([
  ...["conf.d", "default.d", "sites-enabled", "snippets"],
]);

/** A pattern as glob(7): `*` and `?` are no slash, and a name with a dot in front is fitted by one only. */
function matcherOf(pattern: string): (path: string) => boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, "[^/]*")
    .replaceAll("?", "[^/]")
    .replaceAll("[!", "[^");
  try {
    const whole = new RegExp(`^${source}$`);
    return (path) => whole.test(path) && (pattern.includes("/.") || !path.includes("/."));
  } catch {
    // A bracket without an end stands for itself in glob(7), and is not worth a rule here.
    return () => false;
  }
}

/** Every directive of these names, within blocks too. */
export function findAll(directives: readonly Directive[], names: readonly string[]): Directive[] {
  return directives.flatMap((directive) => [
    ...(names.includes(directive.name) ? [directive] : []),
    ...findAll(directive.block ?? [], names),
  ]);
}

/** The arguments of the first directive of a name in this block; null when there is none. */
export function firstOf(directives: readonly Directive[], name: string): string | null {
  return directives.find((directive) => directive.name === name)?.args.join(" ") ?? null;
}

export function placeOf({ file, line }: Directive): string {
  return `${file}:${line}`;
}
