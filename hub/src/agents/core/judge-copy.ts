/** The generation of a certificate that is shown, and what its agent showed before. */
type Copy = {
  generation: number;
  /** The highest generation that the agent has shown. */
  used: number;
  /** The generation of the copy that came back older and waits for a person; null when none does. */
  stale: number | null;
};

/** An agent by the certificate that it shows. */
export type Shown = Copy & { agentId: string; serial: string; publicKey: string };

/**
 * What a certificate says about the copy of the agent's state that shows it:
 * - `known`, `newer`: it is the copy that was there before. A newer generation ends all older ones.
 * - `rolled-back`: a newer generation was used before. Either the host was restored from a snapshot
 *   and the newer state is lost, or this is a second copy and the newer one comes back later.
 * - `two-copies`: an older and a newer generation are both in use.
 */
export type Verdict = "known" | "newer" | "rolled-back" | "two-copies";

/** Identity rules 5 and 7. */
export function judgeCopy({ generation, used, stale }: Copy): Verdict {
  if (stale !== null) return generation === stale ? "rolled-back" : "two-copies";
  if (generation < used) return "rolled-back";
  return generation > used ? "newer" : "known";
}
