import { SHORT_OPTION, findOptionValue } from "./command-options.ts";
import { NAME_END } from "./secret-names.ts";

/** A name in the text with the end of what separates it from its value. */
export type Candidate = { name: string; start: number; valueAt: number; separator: string };

/** Excludes at once what no name ends before, such as the colons of a time. */
const AFTER_WORD = `(?<=[A-Za-z_-][0-9]{0,3}["'\\\\\\]]{0,3}[ \\t]{0,4}[:=])`;
/**
 * Finds `NAME=`, `"name":`, `name =>`, `--name `, `<name>`, and a line such as `requirepass x1`
 * of a configuration. The name is matched backwards
 * from its separator and at most 100 characters long, so the time is linear.
 */
export const CANDIDATES = new RegExp(
  [
    `[:=]${AFTER_WORD}(?<=([\\w.-]{0,100}${NAME_END})["'\\\\\\]]{0,3}[ \\t]{0,4}[:=])(?:(?<=:)=|(?<==)(?:>|==?))?[ \\t]{0,40}`,
    `(?:%3[ADad]|&gt;)(?<=([\\w.-]{0,100}${NAME_END})(?:%3[ADad]|&gt;))`,
    `(?<![\\w.-])--?([A-Za-z][\\w.-]{0,79})(?![\\w.-])(?<=${NAME_END})(?:["'],[ \\t]{0,4}(?=["'][^-])|[\\s\\0]{1,4}(?![-<|]))`,
    `\\n[ \\t]{0,40}([\\w.-]{1,80})[ \\t]{1,20}(?<=${NAME_END}[ \\t]{1,20})(?:[0-9] )?(?=\\S{6,200}[ \\t]*(?:[\\r\\n]|$))(?=\\S*[0-9])(?=\\S*[A-Za-z])(?![:=])`,
    `<([\\w.:-]{1,100})(?<=${NAME_END})(?:\\s[^<>]{0,300})?(?<!/)>`,
    `,(?<=\\([ \\t]{0,2}["']([\\w.-]{0,100}${NAME_END})["'][ \\t]{0,2},)[ \\t]{0,4}(?=["'])`,
    SHORT_OPTION,
    `\\{(?<=["']([\\w.-]{0,100}${NAME_END})["'][ \\t]{0,4}\\{)`,
  ].join("|"),
  "g",
);

/** Reads the value of a command's short option. Its groups are the eighth and the ninth. */
export function readOption(text: string, found: RegExpExecArray) {
  const [option, gap] = found.slice(7, 9);
  return option === undefined || gap === undefined
    ? undefined
    : findOptionValue(text, found.index, option, gap);
}

/** Reads a name and where its value begins. */
export function readCandidate(found: RegExpExecArray): Candidate {
  const [whole, assigned, encoded, option, directive, element, argument] = found;
  const object = found[9];
  const valueAt = found.index + whole.length;
  const toCandidate = (name: string, separator: string): Candidate => {
    const isAfter = (option ?? directive ?? element) !== undefined;
    const from = isAfter ? found.index + whole.indexOf(name) : found.index - name.length;
    return { name, start: found.input.lastIndexOf(name, from), valueAt, separator };
  };
  if (element !== undefined) return toCandidate(element.slice(element.indexOf(":") + 1), "<");
  if (option !== undefined) return toCandidate(option, "--");
  if (directive !== undefined) return toCandidate(directive, " ");
  return toCandidate(assigned ?? encoded ?? argument ?? object ?? "", whole.trim());
}
