// Renders docs/pack-reference.md for authors of packs: sources, holes, params and results, fixtures
// and the commands that only read. Everything comes from the code that checks it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildTemplate } from "../cli/src/pack/pack-template.ts";
import { describeForm, type Form } from "../foundation/sources/src/read-only-call.ts";
import { READ_ONLY_COMMANDS } from "../foundation/sources/src/read-only-commands.ts";
import { READ_ONLY_NAMES } from "../foundation/sources/src/read-only-relations.ts";
import {
  READ_ONLY_PAGES,
  READ_ONLY_REQUESTS,
} from "../foundation/sources/src/read-only-requests.ts";
import { SECRET_PATHS } from "../foundation/sources/src/secret-paths.ts";
import { hole, source } from "../pack-sdk/src/author/source.ts";
import { t } from "../pack-sdk/src/author/t.ts";
import { Fixture } from "../pack-sdk/src/testing/fixture.ts";
import {
  ForEach,
  MAX_EACH,
  REDIS_COMMANDS,
  Rule,
  Source,
  type SourceKind,
} from "../schemas/src/manifest/index.ts";
import { READ_DATA } from "../schemas/src/reads.ts";

type Schema = Readonly<Record<string, unknown>>;

export function renderPackReference(root: string): string {
  const text = (path: string): string => readFileSync(join(root, path), "utf8");
  const author = "pack-sdk/src/author";
  return [
    ...HEAD,
    "## Sources",
    "",
    "Each function of `source` declares one way to read. Its limits have defaults; times are in ms, sizes in bytes.",
    "With `samples`, a read is repeated and `run` receives `{ samples: [...] }`; without, the data itself.",
    "Each sample has `at` (Unix time in ms) and `truncated` (a cap cut the data) beside its data.",
    "",
    ...Source.anyOf.flatMap((kind) => renderSource(kind, text(`${author}/source.ts`))),
    "## Holes",
    "",
    "A hole is a typed gap that a caller's value fills. Write it in place of a value, or of a part of a path.",
    "",
    ...renderCalls("hole", Object.keys(hole), text(`${author}/source.ts`)),
    'A probe fills it in `reads`: `read(source, { with: { unit: param("unit") } })` takes the caller\'s parameter,',
    '`param("unit", "ssh.service")` has a value for an absent one, and a plain value is fixed.',
    "With `optional: true`, a failed read reaches `run` as `{ ok: false, failure }`; otherwise it fails the call.",
    "",
    "### A read for each value that another one finds",
    "",
    'With `forEach: { read: "list", at: "entries.*.name", hole: "file", atMost: 50 }`, a read is done once for each value in what the read `list` found:',
    "",
    ...renderMembers(ForEach, {}),
    `A probe reads for at most ${MAX_EACH} values. The hole is an \`integer\`, \`enumOf\`, \`unitName\`, \`containerName\` or \`pathBeneath\`, and the source only looks and stays on the host.`,
    "`run` receives `{ each, leftOutCount, unfitCount }`. Each of `each` has its `value` (for `pathBeneath` the whole path) and, as an `optional` read, `ok` with the data or with `failure`.",
    "In a fixture that is `{ ok: true, each: [{ value, outcome }], leftOutCount, unfitCount }`. Such a pack needs an agent newer than 0.1.0.",
    "",
    "## Params and results: `t`",
    "",
    "Every function also takes a `description`, which clients see.",
    "",
    ...renderCalls("t", Object.keys(t), text(`${author}/t.ts`)),
    "## Runbook",
    "",
    "`runbook({ description, probes, rules })`, given to `pack`, says which probes to ask together and what their answers mean.",
    '`probes` gives up to 20 probes of the pack a short name: `{ disks: { probe: "disk.usage", params: { limit: 100 } } }`. A rule has:',
    "",
    ...renderMembers(Rule, {}, ["when"]),
    "and `when`, a list of conditions that must all hold, each of a `value` by its path (`memory.full.avg60Percent`):",
    "",
    "- `atLeast`, `below`: bounds on a number or on the length of a list, with `per` on the value divided by another",
    "- `is`: `true` or `false`",
    "- `oneOf`: a list of texts, of which it is one",
    "- `contains`: a list of texts, of which one is in it",
    "",
    "With `each`, paths begin at a row of that list, a null is no value that could fit, and the rows that fit are one finding.",
    "Without it, a null is reported as not seen. `severity` is `critical`, `warning`, `info`, or `unseen` for an answer that does not tell all.",
    "`sonde-pack build` checks every path against the results of the probes. `openRunbookTest` of `@sonde/pack-sdk/testing` says in a test what the rules find.",
    "",
    "## Fixtures",
    "",
    "A file `fixtures/NAME.json` is one recorded call. `sonde-pack test` runs it, and `--record` writes the present answer into it.",
    "",
    ...renderMembers(Fixture, {}),
    "Each entry of `reads` is `{ ok: true, samples: [{ at, truncated, data }] }` with the data of the source's kind,",
    "or `{ ok: false, failure: { code, message } }`. The fixture of a new pack:",
    "",
    "```json",
    (buildTemplate("acme/hello").get("fixtures/greet.json") ?? "").trimEnd(),
    "```",
    "",
    "## Read-only commands",
    "",
    "A command is `observe` when its whole argv has one of these forms, and `manage` otherwise, whatever its label says.",
    "`NAMES` is a comma-separated choice of the names in any order.",
    "",
    ...[...READ_ONLY_COMMANDS].map(([command, forms]) => renderForms(command, forms)),
    "",
    "## Read-only requests",
    "",
    "A GET is `observe` when its socket, path and the names in its query are in this table, and `manage` otherwise.",
    "",
    ...[...READ_ONLY_REQUESTS].flatMap(([socket, paths]) => [
      `- \`${socket}\`: ${[...paths].map(renderRequest).join(", ")}`,
    ]),
    `- an endpoint: ${[...READ_ONLY_PAGES].map(renderRequest).join(", ")}`,
    "",
    "## Read-only statements",
    "",
    "A statement of `source.sql` begins with SELECT, or WITH for PostgreSQL. Keywords are in capitals and names in small letters; there are no quoted names, comments, semicolons or backslashes.",
    "It is `observe` when each of its names is in this table or one that it gives itself by AS, and `manage` otherwise. After a point there is only a column of the table, and a name of its own does not begin as the server's own do.",
    "The statement runs in a transaction that writes nothing, by a role that may do no more than look, with 2 s for it, and for a lock 0.1 s at PostgreSQL and 1 s at MariaDB and MySQL.",
    "For PostgreSQL a row can be taken whole, which every release of the server has: `SELECT to_jsonb(s) AS wal FROM pg_stat_wal AS s`.",
    "For `mysql`, which is MariaDB too, a relation is named with its schema, and `*` stands in `count(*)` alone. A hole cannot follow LIMIT. These whole statements are `observe` as well: `SHOW REPLICA STATUS`, `SHOW ALL REPLICAS STATUS` of MariaDB, and `SHOW BINARY LOGS`.",
    "",
    ...Object.entries(READ_ONLY_NAMES).flatMap(([engine, names]) => [
      `- relations of \`${engine}\`: ${[...names.relations].map(renderRequest).join(", ")}`,
      `- functions of \`${engine}\`: ${renderNames(names.functions)}`,
      ...(names.types.size === 0
        ? []
        : [`- types of \`${engine}\`, after \`::\`: ${renderNames(names.types)}`]),
    ]),
    "",
    "## Commands of Redis",
    "",
    "A command of `source.redis` is one of these as it stands, and `observe`. There are no others, so no pack can name a key, write, wait or reset.",
    "",
    `- ${REDIS_COMMANDS.map((command) => `\`${command}\``).join(", ")}`,
    "",
    "## Paths that a build warns of",
    "",
    "`*` is any part of a name, `**` everything beneath. A host may still read them where a person approves it.",
    "",
    ...SECRET_PATHS.map(([path, what]) => `- \`${path}\`: ${what}`),
    "",
  ].join("\n");
}

const HEAD = [
  "# Reference for authors of packs",
  "",
  "<!-- Written by scripts/generate.mjs. Change the code that it describes, then run npm run generate. -->",
  "",
  "What a pack can declare. [publish-a-pack.md](publish-a-pack.md) leads through the steps from an empty folder on.",
  "",
];

function renderSource(schema: (typeof Source.anyOf)[number], text: string): string[] {
  const kind: SourceKind = schema.properties.kind.const;
  const build = source[kind] as (options: object) => { declaration: Record<string, unknown> };
  return [
    `### \`source.${kind}\``,
    "",
    docOf(text, "source", kind),
    "",
    // Without a statement there is no declaration; it is no default.
    ...renderMembers(schema, { ...build({ statement: "" }).declaration, statement: undefined }, [
      ...["kind", "holes"],
    ]),
    "`run` receives:",
    "",
    ...renderMembers(READ_DATA[kind], {}),
  ];
}

function renderForms(command: string, forms: readonly Form[]): string {
  let names = "";
  const shown = forms.map((form) => {
    const lists = form.flatMap((part) =>
      typeof part === "object" && "columns" in part ? [part] : [],
    );
    return lists.reduce(
      (text, { columns }) => {
        names = columns.join(",");
        return text.replace(names, "NAMES");
      },
      describeForm(command, form),
    );
  });
  const where = names === "" ? "" : `; \`NAMES\`: ${names.replaceAll(",", ", ")}`;
  return `- ${shown.map((form) => `\`${form}\``).join(", ")}${where}`;
}

function renderRequest([path, names]: [string, readonly string[]]): string {
  const query = names.length === 0 ? "" : ` (${names.map((name) => `\`${name}\``).join(", ")})`;
  return `\`${path}\`${query}`;
}

function renderNames(names: ReadonlySet<string>): string {
  return [...names].map((name) => `\`${name}\``).join(", ");
}

/** A list of calls with what the code says about each. */
function renderCalls(object: string, names: readonly string[], text: string): string[] {
  const lines = names.map((name) => {
    const call = `${object}.${name}${parametersOf(text, object, name)}`;
    return `- \`${call}\`: ${docOf(text, object, name)}`;
  });
  return [...lines, ""];
}

function renderMembers(
  schema: object,
  defaults: Readonly<Record<string, unknown>>,
  left: readonly string[] = [],
): string[] {
  const { required = [], properties = {} } = schema as {
    required?: string[];
    properties?: Record<string, Schema>;
  };
  const lines = Object.entries(properties)
    .filter(([name]) => !left.includes(name))
    .map(([name, member]) => {
      const preset = JSON.stringify(defaults[name]);
      const when = required.includes(name) ? "" : ", optional";
      return `- \`${name}\`: ${describe(member)}${preset === undefined ? when : `, by default \`${preset}\``}`;
    });
  return lines.length === 0 ? [] : [...lines, ""];
}

function describeChoice(choices: readonly string[]): string {
  if (choices.includes("READ_FAILED")) {
    return "one of the codes in [errors.json](../schemas/json/errors.json)";
  }
  if (choices.includes("SLOWLOG GET")) return "one of the [commands of Redis](#commands-of-redis)";
  return `one of ${choices.map((choice) => `\`${choice}\``).join(", ")}`;
}

/** A schema in words. */
function describe(schema: Schema): string {
  const { type, anyOf, pattern, properties, items, required } = schema as {
    type?: string;
    anyOf?: Schema[];
    pattern?: string;
    properties?: Record<string, Schema>;
    items?: Schema;
    required?: string[];
  };
  if ("const" in schema) return `\`${JSON.stringify(schema["const"])}\``;
  if ("enum" in schema) return describeChoice(schema["enum"] as string[]);
  if (anyOf !== undefined) return anyOf.map(describe).join(", or ");
  if (type === "array" && items !== undefined)
    return `list${rangeOf(schema)}, each ${describe(items)}`;
  if (properties !== undefined) {
    const members = Object.entries(properties);
    if (members.length === 1 && "hole" in properties) return "a hole";
    const inner = members.map(([name, part]) => {
      const when = required?.includes(name) === true ? "" : ", optional";
      return `\`${name}\` (${describe(part)}${when})`;
    });
    return `object of ${inner.join(", ")}`;
  }
  if (type === undefined) return "any value";
  return `${type}${rangeOf(schema)}${pattern === undefined ? "" : ` like \`${pattern}\``}`;
}

function rangeOf(schema: Schema): string {
  const of = (least: string, most: string, unit: string): string => {
    const [from, to] = [schema[least], schema[most]] as (number | undefined)[];
    if (from === undefined && to === undefined) return "";
    if (to === undefined) return ` of at least ${from}${unit}`;
    return from === undefined ? ` of at most ${to}${unit}` : ` of ${from} to ${to}${unit}`;
  };
  return [
    of("minimum", "maximum", ""),
    of("minLength", "maxLength", " characters"),
    of("minItems", "maxItems", " items"),
    of("minProperties", "maxProperties", " members"),
  ].join("");
}

/** The comment above a member of an exported object. */
function docOf(text: string, object: string, name: string): string {
  const body = bodyOf(text, object);
  const found = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n  ${name}: `).exec(body);
  if (found === null) throw new Error(`expected a comment above ${object}.${name}, got none`);
  return (found[1] ?? "").replaceAll(/\s*\n\s*\*\s?/g, " ").trim();
}

/** The parameters of a member as the author writes them, without type parameters. */
function parametersOf(text: string, object: string, name: string): string {
  const body = bodyOf(text, object);
  const start = body.indexOf("(", body.indexOf(`\n  ${name}: `));
  let depth = 0;
  for (let at = start; at < body.length; at += 1) {
    depth += body[at] === "(" ? 1 : body[at] === ")" ? -1 : 0;
    if (depth > 0) continue;
    return body
      .slice(start, at + 1)
      .replaceAll(/\s+/g, " ")
      .replaceAll(/,? options: Described = \{\}|options: Described = \{\}|Described & /g, "")
      .replaceAll(/(?<=\() | ?,? (?=\))/g, "");
  }
  throw new Error(`expected the parameters of ${object}.${name}, got none`);
}

function bodyOf(text: string, object: string): string {
  const start = text.indexOf(`export const ${object} = {`);
  const end = text.indexOf("\n};", start);
  if (start === -1 || end === -1) throw new Error(`expected an object ${object}, got none`);
  return text.slice(start, end);
}
