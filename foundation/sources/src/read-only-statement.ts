import type { SqlSource } from "@sonde/schemas/manifest";
import { READ_ONLY_NAMES, type ReadOnlyNames } from "./read-only-relations.ts";
import { type SqlToken, splitStatement } from "./sql-tokens.ts";

/**
 * Says why a statement may do more than look; null when it cannot. Each of its names has to be one
 * that the table of the engine lists, or one that the statement gives by AS.
 */
export function whyNotReadOnly({ engine, statement }: SqlSource): string | null {
  const tokens = splitStatement(statement);
  if (typeof tokens === "string") return tokens;
  const table = READ_ONLY_NAMES[engine];
  const given = givenNames(tokens);
  const own = given.find((name) => name.startsWith(table.ownPrefix));
  if (own !== undefined) return `it gives the name ${own}, which begins as the server's own`;
  const schema = findSchema(tokens);
  if (schema !== undefined) return `it names a relation of the schema ${schema.text}`;
  const columns = new Set(
    tokens.flatMap(({ is, text }) => (is === "name" ? (table.relations.get(text) ?? []) : [])),
  );
  const stranger = tokens.find(
    ({ is }, at) => is === "name" && !isListed(tokens, at, table, columns, given),
  );
  return stranger === undefined
    ? null
    : `it names ${stranger.text}, which is not in the table of what only looks (docs/pack-reference.md)`;
}

/** What ends a list of relations. */
const ENDS_FROM = ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "SELECT"];

/**
 * Finds a name before a point where a relation stands: that is a schema, whose relations are anybody's,
 * and not a name by which the statement calls a relation of the table.
 */
function findSchema(tokens: readonly SqlToken[]): SqlToken | undefined {
  // For each parenthesis that is open, whether relations are listed in it.
  const listing = [false];
  return tokens.find((token, at) => {
    const before = tokens[at - 1];
    const follows =
      isKeyword(before, "FROM") ||
      isKeyword(before, "JOIN") ||
      isKeyword(before, "LATERAL") ||
      isSign(before, ",") ||
      isSign(before, "(");
    const isRelation = listing.at(-1) === true && follows;
    if (isSign(token, "(")) listing.push(isRelation);
    if (isSign(token, ")")) listing.pop();
    if (isKeyword(token, "FROM")) listing[listing.length - 1] = true;
    if (isKeyword(token) && ENDS_FROM.includes(token.text)) listing[listing.length - 1] = false;
    return isRelation && token.is === "name" && isSign(tokens[at + 1], ".");
  });
}

function isListed(
  tokens: readonly SqlToken[],
  at: number,
  table: ReadOnlyNames,
  columns: ReadonlySet<string>,
  given: readonly string[],
): boolean {
  const name = tokens[at]?.text ?? "";
  const before = tokens[at - 1]?.text;
  if (before === "::") return table.types.has(name);
  if (isSign(tokens[at + 1], "(")) return before !== "." && table.functions.has(name);
  // In PostgreSQL `a.b` can be a call of the function b, so a name of the statement's own does not do.
  if (before === ".") return columns.has(name);
  return columns.has(name) || table.relations.has(name) || given.includes(name);
}

/** The names after AS, and those of `WITH name AS (`. */
function givenNames(tokens: readonly SqlToken[]): string[] {
  return tokens.flatMap(({ is, text }, at) => {
    const [before, after, later] = [tokens[at - 1], tokens[at + 1], tokens[at + 2]];
    const isWith = isKeyword(after, "AS") && (isSign(later, "(") || isKeyword(later));
    return is === "name" && (isKeyword(before, "AS") || isWith) ? [text] : [];
  });
}

function isSign(token: SqlToken | undefined, text: string): boolean {
  return token?.is === "sign" && token.text === text;
}

function isKeyword(token: SqlToken | undefined, text = token?.text): boolean {
  return token?.is === "keyword" && token.text === text;
}
