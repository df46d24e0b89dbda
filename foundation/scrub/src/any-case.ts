/**
 * Returns a pattern that matches the word in any letter case, such as `[kK][eE][yY]`.
 *
 * A group such as `(?i:...)` is not used: V8 13.6 loses the group's flags in the part of it
 * that it compiles out of line. `(?i:(?:private|secret|signing|master|account|shared)_?key)`
 * then misses `privateKey`.
 */
export function anyCase(word: string): string {
  return word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}
