const LABEL = "[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?";
/** A key without its end marker was cut short, so everything after its start is dropped. */
const KEY = new RegExp(
  `-{4,5} ?BEGIN ${LABEL} ?-{4,5}[^]*?(?:-{4,5} ?END ${LABEL} ?-{4,5}|$)`,
  "g",
);
const END = new RegExp(`-{4,5} ?END ${LABEL} ?-{4,5}`, "g");
const PUTTY = /(Private-Lines: [0-9]{1,4}\r?\n)[A-Za-z0-9+/=\r\n]+/g;
/** The last part of a key's body: Base64, a header of an encrypted key, or a line break. */
const BODY =
  /(?:(?:Proc-Type|DEK-Info|Comment|Version): [^\r\n\\]{1,100}|(?<!\\)[A-Za-z0-9+/=]{1,128}|["',]{0,3}[ \t]{0,16}(?:\r?\n|\\r?\\n|\\n)[ \t>|"']{0,16})$/;

/** Replaces private keys in text form, also those whose start or end was cut off. */
export function scrubPrivateKeys(text: string, mark: (kind: string) => string): string {
  if (!text.includes("PRIVATE KEY") && !text.includes("Private-Lines")) return text;
  const whole = text
    .replace(KEY, () => mark("private-key"))
    .replace(PUTTY, (_, head: string) => head + mark("private-key"));
  let clean = "";
  let copied = 0;
  for (const { index, 0: end } of whole.matchAll(END)) {
    clean += whole.slice(copied, startOfBody(whole, index, copied)) + mark("private-key");
    copied = index + end.length;
  }
  return clean + whole.slice(copied);
}

/** Finds where the body of a key begins whose first part was cut off. */
function startOfBody(text: string, end: number, from: number): number {
  let start = end;
  for (;;) {
    const tail = text.slice(Math.max(from, start - 200), start);
    const found = BODY.exec(tail);
    if (found === null) return start;
    start -= found[0].length;
  }
}

const START_LINE = new RegExp(`-{4,5} ?BEGIN ${LABEL} ?-{4,5}`);
const END_LINE = new RegExp(`-{4,5} ?END ${LABEL} ?-{4,5}`);
const BODY_LINE = /^\s*(?:[A-Za-z0-9+/=]{1,128}|(?:Proc-Type|DEK-Info|Comment|Version): .*)?\s*$/;

/** Finds the items of a list that are lines of a private key, as when a log is read by lines. */
export function linesOfPrivateKeys(list: readonly unknown[]): Set<number> {
  const found = new Set<number>();
  const isBody = (index: number) => {
    const item = list[index];
    return typeof item === "string" && BODY_LINE.test(item);
  };
  list.forEach((item, index) => {
    if (typeof item !== "string" || !item.includes("PRIVATE KEY")) return;
    if (START_LINE.test(item) && !END_LINE.test(item)) {
      for (let at = index + 1; at < list.length && isBody(at); at += 1) found.add(at);
    } else if (END_LINE.test(item) && !START_LINE.test(item)) {
      for (let at = index - 1; at >= 0 && isBody(at) && !found.has(at); at -= 1) found.add(at);
    }
  });
  return found;
}
