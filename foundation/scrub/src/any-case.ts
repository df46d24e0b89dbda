/**
 * Returns a pattern that matches the word in any letter case, such as `[kK][eE][yY]`.
 *
 * A group such as `(?i:...)` is not used. In V8 13.6 it loses its flag behind a long alternation with an
 * optional part: `(?i:(?:private|secret|signing|master|account|shared)_?key)`
 * misses `privateKey`.
 */
export function anyCase(word: string): string {
  return word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}
