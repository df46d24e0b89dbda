import type { Requires, Source } from "@sonde/schemas/manifest";
import { rulesOf } from "./kinds.ts";

/**
 * What these sources need of a host, for a person to grant. Build writes it
 * into the manifest and every verifier recomputes it. Each list is sorted and
 * free of repetition. Files are patterns as `pathPattern` makes them; a
 * directory whose entries' files are read is `DIRECTORY`, any entry, `CHILD`.
 * A command is named with its arguments, a socket with each request over it:
 * other words, or a hole that takes more, are another thing to be granted.
 */
export function deriveRequires(
  sources: Readonly<Record<string, Source>>,
): Omit<Requires, "groups"> {
  const needs = Object.values(sources).map((source) => rulesOf(source).needs(source));
  return {
    commands: sortedUnique(needs.map(({ commands }) => commands)),
    files: sortedUnique(needs.map(({ files }) => files)),
    sockets: sortedUnique(needs.map(({ sockets }) => sockets)),
  };
}

function sortedUnique(values: readonly (string | undefined)[]): string[] {
  const present = values.filter((value) => value !== undefined);
  return [...new Set(present)].toSorted((a, b) => (a < b ? -1 : 1));
}
