import { toPlainLine } from "@sonde/schemas/plain-text";
import stringWidth from "string-width";

const GAP = 2;
/** No column gets narrower than this to fit the terminal. */
const LEAST = 8;
const CUT = "…";
const graphemes = new Intl.Segmenter();

/**
 * Lays out rows in columns as wide as their widest cell, two blanks apart. Where the terminal is
 * narrower, the widest columns end in `…`. Wide letters count as two, and what a terminal would obey
 * is shown.
 *
 * @param columns of the terminal; undefined where there is none, so that programs read whole cells
 */
export function formatTable(
  head: string[],
  rows: string[][],
  columns: number | undefined = process.stdout.columns,
): string {
  const shown = [head, ...rows].map((row) => row.map(toPlainLine));
  const widths = head.map((_name, column) =>
    Math.max(...shown.map((row) => stringWidth(row[column] ?? ""))),
  );
  fit(widths, columns);
  return shown
    .map((row) =>
      row
        .map((cell, column) => layOut(cell, widths[column] ?? 0))
        .join(" ".repeat(GAP))
        .trimEnd(),
    )
    .join("\n");
}

/** Narrows the widest columns until the row fits. */
function fit(widths: number[], columns: number | undefined): void {
  if (columns === undefined || columns <= 0) return;
  const room = Math.max(columns - GAP * (widths.length - 1), LEAST * widths.length);
  for (let total = widths.reduce((sum, width) => sum + width, 0); total > room; total--) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

function layOut(cell: string, width: number): string {
  const text = cut(cell, width);
  return text + " ".repeat(Math.max(0, width - stringWidth(text)));
}

function cut(cell: string, width: number): string {
  if (stringWidth(cell) <= width) return cell;
  let kept = "";
  for (const { segment } of graphemes.segment(cell)) {
    if (stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return kept + CUT;
}
