// Text from outside may have characters that a terminal obeys, that reorder a line or that nobody
// sees. A person who reads it must see what is there (attack 38).

/** Control, direction and other invisible characters, private use and lone surrogates. */
export const INVISIBLE = "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\u2028\\u2029";
const INVISIBLE_CHARACTER = new RegExp(`[${INVISIBLE}]`, "u");
const INVISIBLE_CHARACTERS = new RegExp(`[${INVISIBLE}]`, "gu");
const ESC = "\u001b";
/** Besides new lines and tabs: the bold and coloured text that Sonde itself prints. */
const OWN_STYLE = new RegExp(`([\\n\\t]|${ESC}\\[(?:0|1|22|3[0-9])m)`);

export function hasInvisible(text: string): boolean {
  return INVISIBLE_CHARACTER.test(text);
}

/** Shows each invisible character, line breaks included, as an escape: `\\u001b`. */
export function toPlainLine(text: string): string {
  return text.replace(INVISIBLE_CHARACTERS, escape);
}

/**
 * Like `toPlainLine` for what a program prints: lines and Sonde's own colours stay. JSON keeps its
 * value.
 */
export function toPlainText(text: string): string {
  return text
    .split(OWN_STYLE)
    .map((part, place) => (place % 2 === 0 ? toPlainLine(part) : part))
    .join("");
}

/** One escape for each UTF-16 unit, as in JSON. */
function escape(character: string): string {
  return character.split("").map(escapeUnit).join("");
}

function escapeUnit(unit: string): string {
  const escaped = JSON.stringify(unit).slice(1, -1);
  if (escaped !== unit) return escaped;
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
