/**
 * A scrub rule as data. Every pattern takes linear time by construction: a run of characters is
 * either consumed by the match or bounded, and no match starts again inside a run that was
 * scanned. Markers and reports use the rules' names.
 */
export type TextRule = {
  name: string;
  /** Pattern of the text before the secret, which stays. */
  keep?: string;
  /** Pattern of the text that is replaced. */
  secret: string;
};
