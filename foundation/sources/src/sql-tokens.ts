import type { SqlSource } from "@sonde/schemas/manifest";

/** One part of a statement that the server's own parser would take as one. */
export type SqlToken =
  | { is: "keyword" | "name" | "sign" | "number" | "string"; text: string }
  | { is: "hole"; text: string };

/** What a server's language has of a question. */
type Grammar = {
  /** None of them writes, locks, names a function or opens a file. */
  keywords: ReadonlySet<string>;
  /** Words that are no names without quotes, or that begin something else than a question. */
  reserved: ReadonlySet<string>;
  signs: ReadonlySet<string>;
  /** Whole statements beside questions. */
  statements: readonly string[];
};

const KEYWORDS = [
  ...["SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "BY", "LIMIT", "UNION"],
  ...["ALL", "AS", "JOIN", "LEFT", "INNER", "CROSS", "ON", "USING", "AND", "OR", "NOT", "IN"],
  ...["IS", "NULL", "EXISTS", "BETWEEN", "LIKE", "CASE", "WHEN", "THEN", "ELSE", "END", "TRUE"],
  ...["FALSE", "ASC", "DESC"],
];

const RESERVED = [
  ...["analyse", "analyze", "array", "asymmetric", "authorization", "binary", "both", "call"],
  ...["cast", "check", "collate", "collation", "column", "concurrently", "constraint", "copy"],
  ...["create", "current_catalog", "current_date", "current_role", "current_schema", "deferrable"],
  ...["current_time", "current_timestamp", "current_user", "default", "delete", "do", "drop"],
  ...["except", "execute", "explain", "fetch", "for", "foreign", "freeze", "full", "grant"],
  ...["ilike", "initially", "insert", "intersect", "into", "isnull", "leading", "localtime"],
  ...["localtimestamp", "lock", "merge", "natural", "notnull", "only", "outer", "outfile"],
  ...["overlaps", "placing", "primary", "procedure", "recursive", "references", "returning"],
  ...["right", "session_user", "set", "similar", "some", "symmetric", "system_user", "table"],
  ...["tablesample", "to", "trailing", "truncate", "unique", "update", "variadic", "verbose"],
  "window",
];

const SIGNS = ["(", ")", ",", ".", "*", "+", "-", "/", "%", "=", "<>", "<", ">", "<=", ">="];

const GRAMMARS: Record<SqlSource["engine"], Grammar> = {
  postgres: buildGrammar({
    keywords: [
      ...["OFFSET", "WITH", "MATERIALIZED", "LATERAL", "ANY", "FILTER", "OVER", "PARTITION"],
      ...["INTERVAL", "NULLS", "FIRST", "LAST"],
    ],
    names: ["by", "filter", "first", "last", "materialized", "nulls", "over", "partition"],
    reserved: ["user"],
    signs: ["[", "]", "::", "||", "->", "->>"],
    statements: [],
  }),
  // Of its keywords END alone is a name for the server too, so each needs its CASE. WITH is none: a
  // name that it gives stands for another table where it does not hold.
  mysql: buildGrammar({
    keywords: [],
    names: [],
    reserved: [
      ...["dumpfile", "handler", "high_priority", "load", "replace", "sql_buffer_result"],
      ...["straight_join", "with"],
    ],
    signs: [],
    // What replication knows is in no relation of MariaDB.
    statements: ["SHOW REPLICA STATUS", "SHOW ALL REPLICAS STATUS", "SHOW BINARY LOGS"],
  }),
};

/** Adds what a language has beside what all have. */
function buildGrammar(own: {
  keywords: string[];
  /** Keywords that are names too where one is expected: a statement may have a column `first`. */
  names: string[];
  reserved: string[];
  signs: string[];
  statements: string[];
}): Grammar {
  const keywords = [...KEYWORDS, ...own.keywords];
  const words = keywords.map((word) => word.toLowerCase());
  const noNames = words.filter((word) => !own.names.includes(word));
  return {
    keywords: new Set(keywords),
    reserved: new Set([...noNames, ...RESERVED, ...own.reserved]),
    signs: new Set([...SIGNS, ...own.signs]),
    statements: own.statements,
  };
}

/** In order: blank, word, number, string, punctuation, a whole run of an operator's characters. */
const TOKEN =
  / |(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<number>[0-9]+(?:\.[0-9]+)?)|(?<string>'(?:[\x20-\x26\x28-\x5b\x5d-\x7e]|'')*')|(?<sign>::|[(),.[\]]|[-+*/<>=~!@#%^&|`?:]+)/y;

/**
 * Splits a statement. The grammar is smaller than that of SQL: printable ASCII, keywords in capitals,
 * names in small letters without quotes, no comment, no second statement, no backslash, no string
 * with a prefix.
 *
 * @returns the tokens, or a sentence that says what was expected
 */
export function splitStatement({
  engine,
  statement,
}: Pick<SqlSource, "engine" | "statement">): SqlToken[] | string {
  const grammar = GRAMMARS[engine];
  if (typeof statement === "string" && grammar.statements.includes(statement)) {
    return statement.split(" ").map((text) => ({ is: "keyword", text }));
  }
  const tokens: SqlToken[] = [];
  const parts = typeof statement === "string" ? [statement] : statement;
  // A person would read as one what is judged and sent as two.
  const isSplit = parts.some(
    (part, at) => typeof part === "string" && typeof parts[at + 1] === "string",
  );
  if (isSplit) return "expected a hole between two parts of a statement";
  for (const part of parts) {
    if (typeof part === "object") {
      tokens.push({ is: "hole", text: part.hole });
      continue;
    }
    const why = splitPart(part, grammar, tokens);
    if (why !== null) return why;
  }
  const count = (word: string): number =>
    tokens.filter(({ is, text }) => is === "keyword" && text === word).length;
  if (count("CASE") !== count("END")) return "expected one END for each CASE of a statement";
  const [first] = tokens;
  return first?.is === "keyword" && ["SELECT", "WITH"].includes(first.text)
    ? tokens
    : "expected a statement that begins with SELECT or WITH";
}

function splitPart(part: string, grammar: Grammar, tokens: SqlToken[]): string | null {
  let before = " ";
  for (let at = 0; at < part.length; ) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(part);
    if (found === null) return `expected no ${describeAt(part, at)} in a statement`;
    const token = tokenOf(found, grammar);
    if (typeof token === "string") return token;
    // `E'...'` is another string than `'...'`, `1e5` another number, and `a'b'` a cast.
    if (/\w/.test(before) && /^[\w']/.test(found[0])) {
      return `expected a blank before ${describeAt(part, at)} of a statement`;
    }
    if (token !== null) tokens.push(token);
    at += found[0].length;
    before = found[0].at(-1) ?? " ";
  }
  return null;
}

function tokenOf(
  { groups = {}, 0: text }: RegExpExecArray,
  { keywords, reserved, signs }: Grammar,
): SqlToken | string | null {
  if (groups["number"] !== undefined) return { is: "number", text };
  if (groups["string"] !== undefined) return { is: "string", text };
  if (groups["sign"] !== undefined) {
    return signs.has(text) ? { is: "sign", text } : `expected no sign ${text} in a statement`;
  }
  if (groups["word"] === undefined) return null;
  if (keywords.has(text)) return { is: "keyword", text };
  if (text !== text.toLowerCase()) {
    return `expected a keyword of a question or a name in small letters, got ${text}`;
  }
  return reserved.has(text) ? `expected a name, got the word ${text}` : { is: "name", text };
}

function describeAt(part: string, at: number): string {
  return JSON.stringify(part.slice(at, at + 12));
}
