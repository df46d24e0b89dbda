import type { SqlSource } from "@sonde/schemas/manifest";
import { checkSocket } from "../check-way.ts";
import { quote } from "../quote.ts";
import { whyNotReadOnly } from "../read-only-statement.ts";
import type { HoleText } from "../render-template.ts";
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
  check({ engine, socket, statement, holes }, refuse) {
    checkSocket(socket, refuse);
    if (renderStatement(statement, () => "").length > MOST_CHARACTERS) {
      refuse(`expected a statement of at most ${MOST_CHARACTERS} characters`);
    }
    const tokens = splitStatement({ engine, statement });
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
