/** What a statement may name and still only look. */
export type ReadOnlyNames = {
  /** Views and tables of the server's own, each with the columns that may be named. */
  relations: ReadonlyMap<string, readonly string[]>;
  /** Whether a relation is named with its schema, as it is in the table. */
  isQualified: boolean;
  /** Whether a statement may take all columns of a relation. */
  givesWholeRows: boolean;
  /** Relations that an extension has, whose schema differs from host to host. */
  extensions: ReadonlyMap<string, string>;
  functions: ReadonlySet<string>;
  /** What a value may be converted to. */
  types: ReadonlySet<string>;
  /** Names that begin so belong to the server: a statement gives none of them to a thing of its own. */
  ownPrefix: string | null;
};

export const names = (text: string): string[] => text.split(" ");
