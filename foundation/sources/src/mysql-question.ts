import { SondeError } from "@sonde/schemas/errors";
import type { SqlSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { filledWith } from "./render-template.ts";
import { renderSetting } from "./setting.ts";
import { type SqlToken, splitStatement } from "./sql-tokens.ts";

/** A statement as MariaDB and MySQL take it, and what is bound, in its order. */
export type MysqlQuestion = { database: string; text: string; parameters: string[] };

/**
 * Renders a question for filled holes. A hole becomes a parameter of a fixed type: nothing of its
 * value is in the text.
 */
export function renderMysqlQuestion(
  source: SqlSource,
  values: FilledRead["values"],
): MysqlQuestion {
  const textOf = filledWith(values);
  const tokens = splitStatement(source);
  if (typeof tokens === "string") throw new SondeError("MANIFEST_INVALID", tokens);
  const types = new Map(Object.entries(source.holes ?? {}).map(([name, { type }]) => [name, type]));
  const typed = (hole: string): string => {
    const type = types.get(hole);
    return type === "integer" ? "CAST(? AS SIGNED)" : type === "boolean" ? "(? = 'true')" : "?";
  };
  const blank = (at: number): string => (at === 0 || isJoined(tokens, at) ? "" : " ");
  return {
    database: renderSetting(source.database, textOf),
    parameters: tokens.flatMap(({ is, text }) => (is === "hole" ? [textOf(text)] : [])),
    text: tokens
      .map(({ is, text }, at) => blank(at) + (is === "hole" ? typed(text) : text))
      .join(""),
  };
}

/**
 * Whether no blank stands before a token. `count (x)` calls a function that somebody made, where
 * `count(x)` calls the server's own.
 */
function isJoined(tokens: readonly SqlToken[], at: number): boolean {
  const [before, token] = [tokens[at - 1], tokens[at]];
  const isPoint = (one: SqlToken | undefined): boolean => one?.is === "sign" && one.text === ".";
  const isCall = before?.is === "name" && token?.is === "sign" && token.text === "(";
  return isCall || isPoint(before) || isPoint(token);
}
