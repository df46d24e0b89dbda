/** A hub drops the content of its log by runs of so many entries. The first one has one entry less. */
export const LOG_SEGMENT = 4_096;

/** The segment of an entry. Segment `n` has the entries from `n * LOG_SEGMENT` on. */
export function segmentOf(seq: number): number {
  return Math.floor(seq / LOG_SEGMENT);
}

export function firstOf(segment: number): number {
  return Math.max(1, segment * LOG_SEGMENT);
}

export function lastOf(segment: number): number {
  return (segment + 1) * LOG_SEGMENT - 1;
}
