/**
 * Joins words that a pattern looks back for, by their last characters. Read from its end, most
 * of a text then fails at one comparison.
 *
 * @param write turns a part of a word into its pattern
 */
export function joinByEnd(words: readonly string[], write = (part: string) => part): string {
  const groups = Map.groupBy(words, (word) => word.slice(-1));
  return [...groups]
    .map(
      ([end, own]) => `(?:${own.map((word) => write(word.slice(0, -1))).join("|")})${write(end)}`,
    )
    .join("|");
}
