import type { Source, SourceKind, Template } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import type { HoleText } from "./render-template.ts";

export type SourceOf<K extends SourceKind> = Extract<Source, { kind: K }>;

/** A word of the manifest that may be a hole. */
export type Word = Exclude<Template, string>[number];

/** Ends a check with a sentence that says what was expected. */
export type Refuse = (sentence: string) => never;

/** What a person grants for one source, by list of `requires`. */
export type SourceNeeds = Partial<Record<"commands" | "files" | "sockets", string>>;

/** The rules of one kind of source; all of them apply before anything is read. */
export type SourceRules<K extends SourceKind> = {
  /** What the kind does to a host, in words. */
  title: string;
  /** Every word that may be a hole, in order. */
  words(source: SourceOf<K>): readonly Word[];
  /** Checks what the schema and the checks of holes do not cover. */
  check(source: SourceOf<K>, refuse: Refuse): void;
  /** The level that the source needs, whatever the author's label says. */
  level(source: SourceOf<K>): Capability;
  needs(source: SourceOf<K>): SourceNeeds;
  /** Describes one read in one line of printable ASCII. */
  describe(source: SourceOf<K>, textOf: HoleText): string;
};
