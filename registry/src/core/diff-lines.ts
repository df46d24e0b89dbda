import type { VersionDifference } from "@sonde/schemas/registry";

type Line = NonNullable<VersionDifference["readme"]>[number];

/** The most pairs of lines that are compared, so that no text makes a request slow. */
const MAX_PAIRS = 250_000;
/** How many equal lines are shown around one that differs. */
const AROUND = 2;
const MAX_LINES = 1000;

/**
 * Compares two texts line by line, by their longest common lines. Runs of equal lines are left out
 * but for the nearest ones.
 *
 * @returns null when the texts differ in too many lines; empty when they are equal
 */
export function diffLines(before: string, after: string): Line[] | null {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const shortest = Math.min(old.length, now.length);
  let first = 0;
  while (first < shortest && old[first] === now[first]) first += 1;
  let last = 0;
  while (last < shortest - first && old.at(-1 - last) === now.at(-1 - last)) last += 1;
  const [gone, come] = [old.slice(first, old.length - last), now.slice(first, now.length - last)];
  if (gone.length * come.length > MAX_PAIRS) return null;
  const same = (line: string): Line => ({ line, is: "same" });
  const lines = leaveOut([
    ...now.slice(0, first).map(same),
    ...diffBetween(gone, come),
    ...now.slice(now.length - last).map(same),
  ]);
  return lines.length > MAX_LINES ? null : lines;
}

/** The longest common subsequence, by the lengths of those of all ends. */
function diffBetween(old: readonly string[], now: readonly string[]): Line[] {
  const width = now.length + 1;
  const lengths = new Uint32Array((old.length + 1) * width);
  const at = (row: number, column: number): number => lengths[row * width + column] ?? 0;
  for (let row = old.length - 1; row >= 0; row -= 1) {
    for (let column = now.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        old[row] === now[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const lines: Line[] = [];
  let [row, column] = [0, 0];
  while (row < old.length || column < now.length) {
    const [gone, come] = [old[row], now[column]];
    if (gone !== undefined && gone === come) {
      lines.push({ line: gone, is: "same" });
      row += 1;
      column += 1;
    } else if (
      gone !== undefined &&
      (come === undefined || at(row + 1, column) >= at(row, column + 1))
    ) {
      lines.push({ line: gone, is: "removed" });
      row += 1;
    } else {
      lines.push({ line: come ?? "", is: "added" });
      column += 1;
    }
  }
  return lines;
}

/** Replaces each run of equal lines that is far from a difference by one line without text. */
function leaveOut(lines: readonly Line[]): Line[] {
  const isNear = new Uint8Array(lines.length);
  for (const [index, { is }] of lines.entries()) {
    if (is !== "same") isNear.fill(1, Math.max(0, index - AROUND), index + AROUND + 1);
  }
  if (!isNear.includes(1)) return [];
  return lines.flatMap((line, index) => {
    if (isNear[index] === 1) return [line];
    const begins = index === 0 || isNear[index - 1] === 1;
    return begins ? [{ line: "", is: "left-out" as const }] : [];
  });
}
