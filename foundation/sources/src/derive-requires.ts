import type { Requires, Source } from "@sonde/schemas/manifest";
import { buildRequires } from "./items.ts";
import { rulesOf } from "./kinds.ts";

/**
 * Computes what these sources need of a host, for a person to grant. Build writes the
 * result into the manifest, and every verifier computes it again. Each list is sorted and
 * has no duplicates.
 *
 * - Files are patterns made by `pathPattern`. If a directory's entries are read too, the
 * list has `DIRECTORY`, any entry, `CHILD`.
 * - A command is listed with its arguments, a socket with each request over it, a host with
 * each question. A changed argument, or a hole that accepts more, therefore needs a new grant.
 */
export function deriveRequires(
  sources: Readonly<Record<string, Source>>,
): Omit<Requires, "groups"> {
  const needs = Object.values(sources).map((source) => rulesOf(source).needs(source));
  const { groups: _, ...derived } = buildRequires((list) =>
    list === "groups" ? [] : sortedUnique(needs.map((need) => need[list])),
  );
  return derived;
}

function sortedUnique(values: readonly (string | undefined)[]): string[] {
  const present = values.filter((value) => value !== undefined);
  return [...new Set(present)].toSorted((a, b) => (a < b ? -1 : 1));
}
