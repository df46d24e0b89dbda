/** A part of a text, from the character at `from` to the one before `to`. */
export type Window = { from: number; to: number };

/** A part of a text that is a secret, and what stands around the marker in its place. */
export type Secret = { start: number; end: number; kind: string; before: string; after: string };

/** A text, the part of it that is shown, and the parts that are replaced last. */
export type Shown = {
  text: string;
  window: Window;
  later: readonly Secret[];
  /** What was replaced so far, step by step. */
  steps: readonly (readonly Move[])[];
};

/** Equal secrets of one answer have the same number, so that they can be correlated. */
export const markerOf = (kind: string, number?: number): string =>
  number === undefined ? `[redacted:${kind}]` : `[redacted:${kind}#${number}]`;
export const MARKER = /^\[redacted:[a-z-]+(?:#[0-9]+)?\]$/;
/** Its group is the rule's name. */
export const MARKER_IN_TEXT = /\[redacted:([a-z-]+)(?:#[0-9]+)?\]/g;

/**
 * Replaces secrets by markers, and finds the window and what is replaced later again in the new
 * text. A marker at the edge of one becomes part of it as a whole.
 *
 * @param secrets in the order of the text, without overlap
 * @param numberOf called for each secret of which a part is in the window; returns the number of
 *   its marker
 */
export function replaceSecrets(
  now: Shown,
  secrets: readonly Secret[],
  numberOf: (secret: Secret, value: string) => number | undefined,
): Shown {
  if (secrets.length === 0) return now;
  const { text, window, later, steps } = now;
  let clean = "";
  let copied = 0;
  const moves: Move[] = [];
  for (const secret of secrets) {
    const { start, end, kind, before, after } = secret;
    clean += text.slice(copied, start);
    const from = clean.length;
    const isShown = start < window.to && end > window.from;
    const number = isShown ? numberOf(secret, text.slice(start, end)) : undefined;
    clean += before + markerOf(kind, number) + after;
    copied = end;
    moves.push({ start, end, from, to: clean.length });
  }
  const [shown = window] = moveAll([{ start: window.from, end: window.to }], moves).map(
    ({ start, end }) => ({ from: start, to: end }),
  );
  return {
    text: clean + text.slice(copied),
    window: shown,
    later: moveAll(later, moves),
    steps: [...steps, moves],
  };
}

/** Finds parts of the text again in the text before its steps. One in a marker becomes all that the marker replaced. */
export function traceBack<T extends Part>(parts: readonly T[], steps: Shown["steps"]): T[] {
  return steps.reduceRight(
    (last, moves) =>
      moveAll(
        last,
        moves.map(({ start, end, from, to }) => ({ start: from, end: to, from: start, to: end })),
      ),
    [...parts],
  );
}

/** Where a replaced part was, and where its marker is. */
type Move = { start: number; end: number; from: number; to: number };
type Part = { start: number; end: number };

/** Finds parts again in the new text. Both lists are in the order of the text, without overlap. */
function moveAll<T extends Part>(parts: readonly T[], moves: readonly Move[]): T[] {
  let passed = 0;
  /** The move that an edge is in or before, and by how much the text there has moved. */
  const near = (edge: number) => {
    while ((moves[passed]?.end ?? Infinity) <= edge) passed += 1;
    const last = moves[passed - 1];
    return { move: moves[passed], by: last === undefined ? 0 : last.to - last.end };
  };
  return parts.map((part) => {
    const first = near(part.start);
    const start =
      first.move !== undefined && first.move.start < part.start
        ? first.move.from
        : part.start + first.by;
    const last = near(part.end);
    const end =
      last.move !== undefined && last.move.start < part.end ? last.move.to : part.end + last.by;
    return { ...part, start, end };
  });
}

/** Joins parts that overlap. The first one's kind is kept. @param secrets in any order */
export function joinOverlaps(secrets: readonly Secret[]): readonly Secret[] {
  const joined: Secret[] = [];
  for (const secret of [...secrets].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = joined.at(-1);
    if (last === undefined || secret.start >= last.end) joined.push({ ...secret });
    else last.end = Math.max(last.end, secret.end);
  }
  return joined;
}
