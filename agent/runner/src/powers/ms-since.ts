/** Milliseconds since a moment of `performance.now()`, to tenths. */
export function msSince(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}
