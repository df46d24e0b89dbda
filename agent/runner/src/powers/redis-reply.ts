import { SondeError } from "@sonde/schemas/errors";
import type { RedisData } from "@sonde/schemas/reads";
import { REACH_AFTER, cutText } from "./cut-text.ts";
import type { Look } from "./power.ts";

type Reply = RedisData["reply"];
type Item = string | number | null | Item[];
/** A list of which parts are still to come. */
type OpenList = { items: Item[]; left: number };

/** What a server says in place of an answer: `NOAUTH Authentication required.` */
export class RedisRefusal extends Error {}

/** Lists within lists that `RedisData` has. */
const MOST_DEPTH = 3;
/** Of a number, a length, or a line that is no error of a real server. */
const MOST_LINE = 4096;
const LINE_END = "\r\n";

/**
 * Takes one answer by RESP2 as it comes. Memory is bounded by what came, whatever a server says is yet
 * to come: no list or text is made before its parts are there. The parsers of the well-known clients
 * make them by the length that is announced (docs/adr/0053-redis.md).
 */
export class ReplyReader {
  readonly #maxBytes: number;
  readonly #encoding: "utf8" | "latin1";
  readonly #lists: OpenList[] = [];
  #chunks: Buffer[] = [];
  /** Of the chunks together. */
  #held = 0;
  /** Of all that came. */
  #came = 0;
  /** Of the parts that were taken. */
  #passed = 0;
  /** With fewer bytes held there is no next part. */
  #needed = 1;
  #outcome: Look<"redis"> | null = null;

  /** @param encoding `latin1` gives a character for each byte, whatever the text is */
  constructor(maxBytes: number, encoding: "utf8" | "latin1" = "utf8") {
    this.#maxBytes = maxBytes;
    this.#encoding = encoding;
  }

  /**
   * Takes what came next. Returns the answer once it is whole, or as much of it as may be given.
   *
   * @throws RedisRefusal for an error of the server
   * @throws SondeError READ_FAILED for what is no answer to one of our commands
   */
  take(chunk: Buffer): Look<"redis"> | null {
    this.#came += chunk.length;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#outcome === null && this.#held >= this.#needed) {
      const held = Buffer.concat(this.#chunks);
      const at = this.#takeParts(held);
      const rest = held.subarray(at);
      this.#passed += at;
      this.#chunks = [rest];
      this.#held = rest.length;
    }
    const isTooMuch = this.#lists.length > 0 && this.#came > this.#maxBytes;
    return this.#outcome ?? (isTooMuch ? this.#cut() : null);
  }

  /** Takes all whole parts. Returns where the first one begins that is not. */
  #takeParts(held: Buffer): number {
    let at = 0;
    while (this.#outcome === null) {
      const next = this.#takePart(held, at);
      if (next === null) break;
      at = next;
      this.#needed = 1;
    }
    if (this.#outcome === null) this.#needed -= at;
    return at;
  }

  /** Returns where the part at `at` ends, or null; then `needed` counts from the start of `held`. */
  #takePart(held: Buffer, at: number): number | null {
    const end = held.indexOf(LINE_END, at);
    if ((end === -1 ? held.length : end) - at > MOST_LINE) {
      throw noAnswer("a line that does not end");
    }
    if (end === -1) {
      this.#needed = held.length + 1;
      return null;
    }
    const line = held.toString("utf8", at + 1, end);
    const after = end + LINE_END.length;
    switch (String.fromCharCode(held[at] ?? 0)) {
      case "+":
        return this.#add(line, after);
      case "-":
        if (this.#lists.length > 0) throw noAnswer("an error within a list");
        throw new RedisRefusal(line);
      case ":":
        return this.#add(parseNumber(line), after);
      case "$":
        return this.#takeText(held, after, parseLength(line));
      case "*":
        return this.#openList(parseLength(line), after);
      default:
        throw noAnswer("another type");
    }
  }

  #takeText(held: Buffer, from: number, length: number | null): number | null {
    if (length === null) return this.#add(null, from);
    const isAll = this.#lists.length === 0;
    if (isAll && length > this.#maxBytes) return this.#takeCut(held, from, length);
    const end = from + length;
    if (held.length < end + LINE_END.length) {
      this.#needed = end + LINE_END.length;
      return null;
    }
    if (held.toString("latin1", end, end + LINE_END.length) !== LINE_END) {
      throw noAnswer("a text of another length");
    }
    return this.#add(held.toString(this.#encoding, from, end), end + LINE_END.length);
  }

  /** A text that is the whole answer is cut; the rest of it is not waited for. */
  #takeCut(held: Buffer, from: number, length: number): number | null {
    const end = from + Math.min(length, this.#maxBytes + REACH_AFTER);
    if (held.length < end) {
      this.#needed = end;
      return null;
    }
    const { text, margin, bytes } = cutText(held.subarray(from, end), 0, this.#maxBytes);
    this.#outcome = { data: { reply: text }, truncated: true, bytes, margins: { reply: margin } };
    return end;
  }

  #openList(length: number | null, after: number): number {
    if (length === null || length === 0) return this.#add(length === null ? null : [], after);
    if (this.#lists.length === MOST_DEPTH) throw noAnswer("lists within lists");
    this.#lists.push({ items: [], left: length });
    return after;
  }

  #add(item: Item, after: number): number {
    let whole = item;
    for (let list = this.#lists.at(-1); list !== undefined; list = this.#lists.at(-1)) {
      // An item of the whole answer is given as a whole or not at all.
      const isBeyond = this.#lists.length === 1 && this.#passed + after > this.#maxBytes;
      if (isBeyond) {
        this.#outcome = this.#cut();
        return after;
      }
      list.items.push(whole);
      list.left -= 1;
      if (list.left > 0) return after;
      whole = list.items;
      this.#lists.pop();
    }
    // A list in a list is as deep as the schema has it.
    const data = { reply: whole as Reply };
    this.#outcome = { data, truncated: false, bytes: this.#came, margins: {} };
    return after;
  }

  /** Gives the whole items of a list that is longer than what may be given. */
  #cut(): Look<"redis"> {
    const data = { reply: (this.#lists[0]?.items ?? []) as Reply };
    return { data, truncated: true, bytes: this.#came, margins: {} };
  }
}

function parseLength(line: string): number | null {
  if (line === "-1") return null;
  if (/^[0-9]{1,15}$/.test(line)) return Number(line);
  throw noAnswer("no length");
}

/** A number that JSON cannot hold exactly stays a text. */
function parseNumber(line: string): number | string {
  if (!/^-?[0-9]{1,20}$/.test(line)) throw noAnswer("no number");
  const value = Number(line);
  return Number.isSafeInteger(value) ? value : line;
}

function noAnswer(got: string): SondeError {
  return new SondeError("READ_FAILED", `expected an answer of Redis, got ${got}`);
}
