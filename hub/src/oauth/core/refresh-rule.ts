/** Two requests of one client at once are this far apart at the most. */
const AT_ONCE_MS = 10_000;

/**
 * What a second use of a refresh token is (RFC 9700, 4.14.2).
 *
 * - `at-once`: within 10 s and from the same address as the first. Two windows of one client asked at
 *   the same time. The second is refused, and goes on with the tokens that the first received.
 * - `reuse`: anything else. Two hold the token, and one of them stole it: the family ends.
 *
 * Neither gets a token, so that a thief gains nothing by being quick.
 */
export function judgeSecondUse(
  first: { at: Date; from: string },
  second: { at: Date; from: string },
): "at-once" | "reuse" {
  const apart = second.at.getTime() - first.at.getTime();
  return apart < AT_ONCE_MS && first.from === second.from ? "at-once" : "reuse";
}
