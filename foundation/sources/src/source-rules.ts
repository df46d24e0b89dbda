import type { Source, SourceKind, Template } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import type { HoleText } from "./render-template.ts";

export type SourceOf<K extends SourceKind> = Extract<Source, { kind: K }>;

/** A word of the manifest where a hole may stand. */
export type Word = Exclude<Template, string>[number];

/** Ends a check with the sentence that says what was expected. */
export type Refuse = (sentence: string) => never;

/** What a person grants for one source, by the list of `requires` that it stands in. */
export type SourceNeeds = Partial<Record<"commands" | "files" | "sockets", string>>;

/** All that is decided about one kind of source before anything is read. */
export type SourceRules<K extends SourceKind> = {
  /** What the kind does to a host, in words. */
  title: string;
  /** Every word where a hole may stand, in order. */
  words(source: SourceOf<K>): readonly Word[];
  /** Refuses what the source's shape and its holes do not. */
  check(source: SourceOf<K>, refuse: Refuse): void;
  /** The level it needs, whatever the author's label says. */
  level(source: SourceOf<K>): Capability;
  needs(source: SourceOf<K>): SourceNeeds;
  /** What one look does, in one line of printable ASCII. */
  describe(source: SourceOf<K>, textOf: HoleText): string;
};
