/** Clients cut or refuse longer answers. */
export const MAX_CHARACTERS = 40_000;
/** Of a page. It leaves room for the marks of data and the cursor. */
export const PAGE_CHARACTERS = MAX_CHARACTERS - 500;
/** What is beyond is not kept: nobody reads it page by page. */
export const MAX_PAGES = 100;

const CURSOR = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([1-9][0-9]{0,2})$/;

/** One page of a kept answer. The first has the number 1. */
export type PageName = { id: string; page: number };

export function writeCursor({ id, page }: PageName): string {
  return `${id}.${page}`;
}

/** Null for anything that this hub never wrote. */
export function readCursor(text: string): PageName | null {
  const [, id, page] = CURSOR.exec(text) ?? [];
  return id === undefined ? null : { id, page: Number(page) };
}

/** Says at the end of a page where the next one is. */
export function withCursor(text: string, { id, page }: PageName, pages: number): string {
  if (page >= pages) return text;
  const next = writeCursor({ id, page: page + 1 });
  return `${text}\nPage ${page} of ${pages}. read_result with the cursor ${next} has the next one, for an hour.`;
}

/**
 * Cuts a text into pages, at the ends of lines where these are near. Data that a cut divides is marked
 * as data on both sides.
 *
 * @param mark the mark of the data in the text
 * @returns the pages, and how many characters were beyond the last one
 */
export function cutPages(text: string, mark: string): { pages: string[]; lost: number } {
  const pages: string[] = [];
  let from = 0;
  let isInside = false;
  while (from < text.length && pages.length < MAX_PAGES) {
    const to = endOfPage(text, from);
    const part = text.slice(from, to).replace(/\n$/, "");
    const before = isInside ? `<<<data ${mark}, continued\n` : "";
    isInside = endsInside(part, mark, isInside);
    pages.push(before + part + (isInside ? `\ndata ${mark}>>>` : ""));
    from = to;
  }
  const lost = text.length - from;
  if (lost > 0) pages.push(`${pages.pop()}\n${lost} characters more were not kept. Ask for less.`);
  return { pages, lost };
}

function endOfPage(text: string, from: number): number {
  const most = from + PAGE_CHARACTERS;
  if (most >= text.length) return text.length;
  const line = text.lastIndexOf("\n", most - 1);
  if (line >= from + PAGE_CHARACTERS / 2) return line + 1;
  // Not between the two halves of one character.
  return isLowSurrogate(text.charCodeAt(most)) ? most - 1 : most;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Whether data goes on behind a part. No server can write these marks. */
function endsInside(part: string, mark: string, wasInside: boolean): boolean {
  const [begin, end] = [part.lastIndexOf(`<<<data ${mark}`), part.lastIndexOf(`data ${mark}>>>`)];
  return begin === end ? wasInside : begin > end;
}
