import { SondeError } from "@sonde/schemas/errors";
import type { SqlSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { POSTGRES_NAMES } from "./postgres-names.ts";
import { filledWith } from "./render-template.ts";
import { renderSetting } from "./setting.ts";
import { splitStatement } from "./sql-tokens.ts";

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
  const tokens = splitStatement(source);
  if (typeof tokens === "string") throw new SondeError("MANIFEST_INVALID", tokens);
  const { extensions } = POSTGRES_NAMES;
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
