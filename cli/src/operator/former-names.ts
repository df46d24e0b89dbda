/** What commands were called in release 0.1.0, and are called now. Both work. */
export const FORMER_NAMES: readonly (readonly [former: string, name: string])[] = [
  ["hub keys", "keys"],
  ["hub audit", "audit"],
  ["hub install", "packs install"],
  ["hub remove", "packs revoke"],
  ["hub approve-tools", "packs approve"],
];

/** @param words what was typed after the program's name */
export function toPresentNames(words: readonly string[]): string[] {
  for (const [former, name] of FORMER_NAMES) {
    const parts = former.split(" ");
    if (parts.every((part, index) => words[index] === part)) {
      return [...name.split(" "), ...words.slice(parts.length)];
    }
  }
  return [...words];
}
