import { toPlainLine } from "@sonde/schemas/plain-text";
import { writeCount } from "@sonde/service/quantities";

// Makes the parts of a page. Text is always text: nothing that a server said is read as markup.

const SVG = "http://www.w3.org/2000/svg";
/** Of one text. A longer one is in the chat. */
const MAX_TEXT = 400;

/** How bad something is. Never told by colour alone. */
export type Level = "good" | "warn" | "bad" | "none";
export type Child = Node | string | null;

/** The head of a column of bars, for who does not see them. */
export const CHART = "Bar";

/** An element of a class. A text is put in as such, with invisible characters as escapes. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (name !== "") element.className = name;
  for (const child of children) {
    if (typeof child === "string") element.append(writeText(child));
    else if (child !== null) element.append(child);
  }
  return element;
}

function writeText(text: string): Node {
  const node = document.createElement("span");
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\u2026` : text;
  node.textContent = toPlainLine(cut);
  return node;
}

/** A bar. Whoever does not see it has the number beside it. */
export function drawBar(share: number, level: Level): SVGElement {
  const bar = drawSvg("svg", { class: `bar ${level}`, "aria-hidden": "true", height: "8" });
  const width = `${Math.min(1, Math.max(0, share)) * 100}%`;
  bar.append(
    drawSvg("rect", { class: "track", width: "100%", height: "8", rx: "4" }),
    drawSvg("rect", { class: "fill", width, height: "8", rx: "4" }),
  );
  return bar;
}

/** A column of a chart with a part of it in front. */
export function drawColumn(share: number, part: number): SVGElement {
  const height = 56;
  const column = drawSvg("svg", { class: "column", "aria-hidden": "true", height: `${height}` });
  const rise = (one: number) => Math.min(1, Math.max(0, one)) * (height - 2);
  for (const [name, one] of [
    ["some", rise(share)],
    ["full", rise(part)],
  ] as const) {
    const y = `${height - 1 - one}`;
    column.append(
      drawSvg("rect", { class: name, x: "30%", width: "70%", y, height: `${one}`, rx: "2" }),
    );
  }
  column.append(
    drawSvg("rect", { class: "track", width: "100%", y: `${height - 1}`, height: "1" }),
  );
  return column;
}

/** Attributes are ours, never a server's words. */
function drawSvg(tag: string, attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** A word with the colour of a level. */
export function badge(level: Level, text: string): HTMLElement {
  return make("span", `badge ${level}`, text);
}

export type Column = { head: string; name?: string };

/** A table with its heads. Each row has the name of what it tells of first. */
export function drawTable(caption: string, columns: Column[], rows: Child[][]): HTMLElement {
  const cell = (tag: "td" | "th", { name = "" }: Column, child: Child) => make(tag, name, child);
  const heads = columns.map((column) => {
    const said = column.head === CHART ? make("span", "unseen", CHART) : column.head;
    const head = cell("th", column, said);
    head.setAttribute("scope", "col");
    return head;
  });
  const body = rows.map((row) => {
    const cells = row.map((child, place) => {
      const made = cell(place === 0 ? "th" : "td", columns[place] ?? { head: "" }, child);
      if (place === 0) made.setAttribute("scope", "row");
      return made;
    });
    return make("tr", "", ...cells);
  });
  const table = make(
    "table",
    "",
    make("caption", "unseen", caption),
    make("thead", "", make("tr", "", ...heads)),
    make("tbody", "", ...body),
  );
  return table;
}

/** A remark about what is missing. */
export function drawNote(text: string): HTMLElement {
  return make("p", "note", text);
}

/** Says how many rows are not here. */
export function noteLeftOut(leftOut: number, what: string): HTMLElement | null {
  return leftOut > 0 ? drawNote(`${writeCount(leftOut)} more ${what} are not drawn.`) : null;
}
