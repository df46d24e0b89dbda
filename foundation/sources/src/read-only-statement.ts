import type { SqlSource } from "@sonde/schemas/manifest";
import type { ReadOnlyNames } from "./read-only-names.ts";
import { READ_ONLY_NAMES } from "./read-only-relations.ts";
import { type SqlToken, splitStatement } from "./sql-tokens.ts";

/**
 * Says why a statement may do more than look; null when it cannot. Each of its names has to be one
 * that the table of the engine lists, or one that the statement gives by AS.
 */
export function whyNotReadOnly(source: SqlSource): string | null {
  const tokens = splitStatement(source);
  if (typeof tokens === "string") return tokens;
  const table = READ_ONLY_NAMES[source.engine];
  const given = givenNames(tokens);
  const { ownPrefix } = table;
  const own = ownPrefix === null ? undefined : given.find((name) => name.startsWith(ownPrefix));
  if (own !== undefined) return `it gives the name ${own}, which begins as the server's own`;
  const relations = findRelations(tokens);
  const foreign = relations.find((at) => isForeign(tokens, at, table));
  if (foreign !== undefined) {
    return `it names a relation of ${isSign(tokens[foreign + 1], ".") ? "the schema" : "no schema,"} ${tokens[foreign]?.text}`;
  }
  const whole = tokens.some((_, at) => isWholeRow(tokens, at));
  if (whole && !table.givesWholeRows) return "it names all columns of a relation by *";
  // A relation with its schema is three tokens, of which no other rule has to judge one.
  const judged = new Set(table.isQualified ? relations.flatMap((at) => [at, at + 2]) : []);
  const columns = new Set(
    tokens.flatMap(({ is }, at) =>
      is === "name" ? (table.relations.get(nameAt(tokens, at, table)) ?? []) : [],
    ),
  );
  const stranger = tokens.find(
    ({ is }, at) =>
      is === "name" && !judged.has(at) && !isListed(tokens, at, table, columns, given),
  );
  return stranger === undefined
    ? null
    : `it names ${stranger.text}, which is not in the table of what only looks (docs/pack-reference.md)`;
}

/** A name as the table has relations. */
function nameAt(tokens: readonly SqlToken[], at: number, { isQualified }: ReadOnlyNames): string {
  const name = tokens[at]?.text ?? "";
  return isQualified && isSign(tokens[at + 1], ".") ? `${name}.${tokens[at + 2]?.text}` : name;
}

/** Without a schema where the table has one it is anybody's, and with a schema where it has none. */
function isForeign(tokens: readonly SqlToken[], at: number, table: ReadOnlyNames): boolean {
  return table.isQualified
    ? !table.relations.has(nameAt(tokens, at, table))
    : isSign(tokens[at + 1], ".");
}

/** `*` that is no product and no `count(*)`. */
function isWholeRow(tokens: readonly SqlToken[], at: number): boolean {
  const before = tokens[at - 1];
  return (
    isSign(tokens[at], "*") && (isKeyword(before) || isSign(before, ",") || isSign(before, "."))
  );
}

/** What ends a list of relations. */
const ENDS_FROM = ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "SELECT"];

/** Finds the names that stand where a relation does. */
function findRelations(tokens: readonly SqlToken[]): number[] {
  // For each parenthesis that is open, whether relations are listed in it.
  const listing = [false];
  return [...tokens.keys()].filter((at) => {
    const [token, before] = [tokens[at], tokens[at - 1]];
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
    if (isKeyword(token) && ENDS_FROM.includes(token?.text ?? "")) {
      listing[listing.length - 1] = false;
    }
    return isRelation && token?.is === "name";
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
