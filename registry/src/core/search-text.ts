import type { Manifest } from "@sonde/schemas/manifest";

/** How much of a README can be found by its words. */
const MAX_README_CHARACTERS = 32 * 1024;
const MAX_PROBES_CHARACTERS = 16 * 1024;
const MAX_QUERY_WORDS = 8;

/** The words by which a pack is found, from what weighs most to what weighs least. */
export type SearchText = {
  name: string;
  description: string;
  probes: string;
  readme: string;
};

/** A search as it was typed, ready for the three ways to match it. */
export type SearchQuery = {
  /** Lower case, for the full text search and for likeness. */
  spoken: string;
  /** `web & logs:*`: the words of a name, the last perhaps only begun; empty when there are none. */
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
  // Letters and digits alone, so no operator of the query language is ever typed.
  const words = spoken.match(/[\p{L}\p{N}]+/gu)?.slice(0, MAX_QUERY_WORDS) ?? [];
  return { spoken, begun: words.length === 0 ? "" : `${words.join(" & ")}:*` };
}

/** `acme/web-logs` and `disk.usage` are found by each of their words. */
function splitWords(names: string): string {
  return names.replaceAll(/[/._-]/g, " ");
}

/** What the database cannot store as text becomes a space. */
function cleanText(text: string): string {
  return text.toWellFormed().replaceAll("\0", " ");
}
