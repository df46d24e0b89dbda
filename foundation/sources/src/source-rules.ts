import type { Hole, ReadWindow, Source, SourceKind, Template } from "@sonde/schemas/manifest";
import type { Capability } from "@sonde/schemas/names";
import type { HoleText } from "./render-template.ts";

export type SourceOf<K extends SourceKind> = Extract<Source, { kind: K }>;

/** A word of the manifest that may be a hole. */
export type Word = Exclude<Template, string>[number];

export type Setting = { hole: string; type: Hole["type"] };

/** Ends a check with a sentence that says what was expected. */
export type Refuse = (sentence: string) => never;

/** What a person grants for one source, by list of `requires`. */
export type SourceNeeds = Partial<Record<"commands" | "files" | "sockets" | "hosts", string>>;

/** The rules of one kind of source; all of them apply before anything is read. */
export type SourceRules<K extends SourceKind> = {
  /** What the kind does to a host, in words. */
  title: string;
  /** Every word that may be a hole, in order, except the `settings`. */
  words(source: SourceOf<K>): readonly Word[];
  /**
   * Every hole that is neither part of a path nor an argument, such as a text to search for, with
   * the type that it must have. Only such a hole may be a `text` or `optional`.
   */
  settings?(source: SourceOf<K>): readonly Setting[];
  /** Checks what the schema and the checks of holes do not cover. */
  check(source: SourceOf<K>, refuse: Refuse): void;
  /** The level that the source needs, whatever the author's label says. */
  level(source: SourceOf<K>): Capability;
  /** Why a source needs more than `observe`, and what would not. For kinds that can need more. */
  whyAbove?(source: SourceOf<K>): string;
  needs(source: SourceOf<K>): SourceNeeds;
  /** The group without which such a source shows nothing, so that a pack has to declare it. */
  group?: string;
  /** How much of that one look reads, at most. */
  window(source: SourceOf<K>): Omit<ReadWindow, "of">;
  /** Describes one read in one line of printable ASCII. */
  describe(source: SourceOf<K>, textOf: HoleText): string;
};
