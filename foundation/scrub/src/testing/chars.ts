/** Draws characters from a seed, so that a failing text can be made again. */
export type Chars = ReturnType<typeof createChars>;

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";

export function createChars(seed: number) {
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const from = (set: string) => (count: number) =>
    Array.from({ length: count }, () => set[next(set.length)]).join("");
  const letter = from(LETTERS);
  const mixed = from(LETTERS + LETTERS.toUpperCase() + DIGITS);
  return {
    word: letter,
    hex: from(`${DIGITS}abcdef`),
    lower: from(LETTERS + DIGITS),
    upper: from(`${LETTERS.toUpperCase()}234567`),
    base64: from(`${LETTERS}${LETTERS.toUpperCase()}${DIGITS}+/`),
    url: from(`${LETTERS}${LETTERS.toUpperCase()}${DIGITS}-_`),
    digits: from(DIGITS),
    // Signs that stay as they are in a quoted string, a URL and a shell word.
    sym: from(`${LETTERS}${LETTERS.toUpperCase()}${DIGITS}!*+.~^_%`),
    // Ends with a letter and a digit, as a generated password does.
    mixed: (count: number) => `${mixed(count - 2)}k7`,
  };
}
