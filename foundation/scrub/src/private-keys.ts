import type { Secret } from "./replace-secrets.ts";

const LABEL = "[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?";
/** A key without its end marker was cut short, so everything after its start is dropped. */
const KEY = new RegExp(
  `-{4,5} ?BEGIN ${LABEL} ?-{4,5}[^]*?(?:-{4,5} ?END ${LABEL} ?-{4,5}|$)`,
  "g",
);
const END = new RegExp(`-{4,5} ?END ${LABEL} ?-{4,5}`, "g");
const PUTTY = /(Private-Lines: [0-9]{1,4}\r?\n)[A-Za-z0-9+/=\r\n]+/g;
/** A part of a key's body: Base64, a header of an encrypted key, or a line break. */
const BODY_PART =
  /(?:Proc-Type|DEK-Info|Comment|Version): [^\r\n\\]{1,100}|(?<!\\)[A-Za-z0-9+/=]{1,128}|["',]{0,3}[ \t]{0,16}(?:\r?\n|\\r?\\n|\\n)[ \t>|"']{0,16}/;
/** Looks back from the end, since a search would try each character before it. */
const BODY = new RegExp(`(?<=((?:${BODY_PART.source}){1,64}))`, "y");

const key = (start: number, end: number): Secret => ({
  start,
  end,
  kind: "private-key",
  before: "",
  after: "",
});

/** Finds private keys from their first marker on. */
export function findKeys(text: string): Secret[] {
  if (!text.includes("PRIVATE KEY")) return [];
  return [...text.matchAll(KEY)].map(({ index, 0: found }) => key(index, index + found.length));
}

/** Finds the private lines of PuTTY's keys. */
export function findPuttyKeys(text: string): Secret[] {
  if (!text.includes("Private-Lines")) return [];
  return [...text.matchAll(PUTTY)].map(({ index, 0: found, 1: head = "" }) =>
    key(index + head.length, index + found.length),
  );
}

/** Finds private keys whose first part was cut off. Whole keys must be gone. */
export function findHeadlessKeys(text: string): Secret[] {
  if (!text.includes("PRIVATE KEY")) return [];
  const found: Secret[] = [];
  let copied = 0;
  for (const { index, 0: marker } of text.matchAll(END)) {
    const end = index + marker.length;
    found.push(key(startOfBody(text, index, copied), end));
    copied = end;
  }
  return found;
}

/** Finds where the body of a key begins whose first part was cut off. */
function startOfBody(text: string, end: number, from: number): number {
  const before = text.slice(from, end);
  let start = before.length;
  for (;;) {
    BODY.lastIndex = start;
    const body = BODY.exec(before)?.[1];
    if (body === undefined) return from + start;
    start -= body.length;
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
