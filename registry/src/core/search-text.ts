import type { Manifest } from "@sonde/schemas/manifest";

/** How much of a README the search indexes. */
const MAX_README_CHARACTERS = 32 * 1024;
const MAX_PROBES_CHARACTERS = 16 * 1024;
const MAX_QUERY_WORDS = 8;

/** The indexed words of a pack, the highest weight first. */
export type SearchText = {
  name: string;
  description: string;
  probes: string;
  readme: string;
};

/** A search as typed, prepared for the three ways to match. */
export type SearchQuery = {
  /** Lower case, for full text and similarity. */
  spoken: string;
  /** `web & logs:*`: words of a name, the last one as a prefix; empty when there are none. */
  begun: string;
};

/** @param readme Markdown as the archive has it */
export function buildSearchText(manifest: Manifest, readme: string): SearchText {
  const probes = Object.entries(manifest.probes);
  const names = splitWords(probes.map(([name]) => name).join(" "));
  const descriptions = probes.map(([, { description }]) => description).join(" ");
  return {
    name: splitWords(manifest.name),
    description: cleanText(manifest.description),
    probes: cleanText(`${names} ${descriptions}`).slice(0, MAX_PROBES_CHARACTERS),
    readme: cleanText(readme.slice(0, MAX_README_CHARACTERS)),
  };
}

/** @param typed at most some hundred characters */
export function readSearchQuery(typed: string): SearchQuery {
  const spoken = cleanText(typed).toLowerCase().trim();
  // Only letters and digits pass, so a search cannot contain operators of the query language.
  const words = spoken.match(/[\p{L}\p{N}]+/gu)?.slice(0, MAX_QUERY_WORDS) ?? [];
  return { spoken, begun: words.length === 0 ? "" : `${words.join(" & ")}:*` };
}

/** Splits `acme/web-logs` and `disk.usage` into words. */
function splitWords(names: string): string {
  return names.replaceAll(/[/._-]/g, " ");
}

/** Replaces what the database cannot store as text by a space. */
function cleanText(text: string): string {
  return text.toWellFormed().replaceAll("\0", " ");
}
