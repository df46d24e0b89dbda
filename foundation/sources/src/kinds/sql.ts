import { SondeError } from "@sonde/schemas/errors";
import type { SqlSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { checkSocket } from "../check-way.ts";
import { quote } from "../quote.ts";
import { READ_ONLY_NAMES } from "../read-only-relations.ts";
import { whyNotReadOnly } from "../read-only-statement.ts";
import { type HoleText, filledWith } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { splitStatement } from "../sql-tokens.ts";
import { asParts, holePattern } from "../template.ts";

/** What may be bound. A text would be one that a caller chose freely. */
const BOUND = ["integer", "enum", "boolean", "database-name"];

/** A person reads a statement as a whole before approving it. */
const MOST_CHARACTERS = 1400;

export const sqlRules: SourceRules<"sql"> = {
  title: "Asks a database of the host over its unix socket, in a transaction that writes nothing",
  words: ({ statement }) => asParts(statement),
  settings: ({ database }) => settingsOf([database, "database-name"]),
  check({ socket, statement, holes }, refuse) {
    checkSocket(socket, refuse);
    if (renderStatement(statement, () => "").length > MOST_CHARACTERS) {
      refuse(`expected a statement of at most ${MOST_CHARACTERS} characters`);
    }
    const tokens = splitStatement(statement);
    if (typeof tokens === "string") return refuse(tokens);
    const declared = new Map(Object.entries(holes ?? {}));
    for (const { is, text } of tokens) {
      const type = is === "hole" ? declared.get(text)?.type : undefined;
      if (type !== undefined && !BOUND.includes(type)) {
        refuse(`expected hole ${text} of a statement to be one of ${BOUND.join(", ")}`);
      }
    }
  },
  /** A statement is `observe` only when the table lists all that it names. */
  level: (source) => (whyNotReadOnly(source) === null ? "observe" : "manage"),
  whyAbove: (source) => whyNotReadOnly(source) ?? "",
  needs: (source) => ({ sockets: show(source, (hole) => holePattern(hole, source.holes)) }),
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe: (source, textOf) => {
    const database = renderSetting(source.database, textOf);
    const statement = renderStatement(source.statement, textOf);
    return `${source.engine} ${quote(database)} over unix:${source.socket}: ${statement}`;
  },
};

/** `SOCKET SQL DATABASE STATEMENT` as Requires has it. */
function show({ socket, database, statement }: SqlSource, textOf: HoleText): string {
  return `${socket} SQL ${renderSetting(database, textOf)} ${renderStatement(statement, textOf)}`;
}

function renderStatement(statement: SqlSource["statement"], textOf: HoleText): string {
  return asParts(statement)
    .map((part) => (typeof part === "string" ? part : textOf(part.hole)))
    .join("");
}

/** A statement as PostgreSQL takes it, and what is bound, in its order. */
export type PostgresQuestion = {
  database: string;
  parameters: string[];
  /** The extensions of which it names a relation. */
  extensions: string[];
  /** Names each such relation with its schema, so that no other one of that name is asked. */
  textIn(schemaOf: (extension: string) => string): string;
};

/**
 * Renders a question for filled holes. A hole becomes a parameter of a fixed type: nothing of its
 * value is in the text.
 */
export function renderPostgresQuestion(
  source: SqlSource,
  values: FilledRead["values"],
): PostgresQuestion {
  const textOf = filledWith(values);
  const tokens = splitStatement(source.statement);
  if (typeof tokens === "string") throw new SondeError("MANIFEST_INVALID", tokens);
  const { extensions } = READ_ONLY_NAMES.postgres;
  const extensionOf = (name: string): string | undefined => extensions.get(name);
  const named = tokens.flatMap(({ is, text }) => (is === "name" ? (extensionOf(text) ?? []) : []));
  let bound = 0;
  // Bound as text: the driver would turn a text that is bound as another type into what it takes it for.
  const typed = (hole: string): string =>
    `CAST(CAST($${++bound} AS text) AS ${castOf(source, hole)})`;
  return {
    database: renderSetting(source.database, textOf),
    parameters: tokens.flatMap(({ is, text }) => (is === "hole" ? [textOf(text)] : [])),
    extensions: [...new Set(named)],
    textIn(schemaOf) {
      bound = 0;
      return tokens
        .map(({ is, text }) => {
          if (is === "hole") return typed(text);
          const extension = is === "name" ? extensionOf(text) : undefined;
          return extension === undefined ? text : `${schemaOf(extension)}.${text}`;
        })
        .join(" ");
    },
  };
}

function castOf({ holes }: SqlSource, name: string): string {
  const type = new Map(Object.entries(holes ?? {})).get(name)?.type;
  return type === "integer" ? "bigint" : type === "boolean" ? "boolean" : "text";
}
