import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import type { AgentHold, HoldKind } from "@sonde/schemas/hub";

/** The refusal of each hold. The first that an agent has is the answer. */
const CODES: Record<HoldKind, ErrorCode> = {
  locked: "AGENT_LOCKED",
  quarantined: "AGENT_QUARANTINED",
  "rolled-back": "AGENT_ROLLED_BACK",
  restricted: "AGENT_RESTRICTED",
};

/**
 * Refuses a call of an agent that is held. A hub's newer release may know other kinds, so a kind
 * without a code refuses too.
 *
 * @throws SondeError AGENT_LOCKED, AGENT_QUARANTINED, AGENT_ROLLED_BACK or AGENT_RESTRICTED
 */
export function requireReleased(agent: { name: string; holds: AgentHold[] }): void {
  const refusal = findRefusal(agent);
  if (refusal !== null) throw refusal;
}

/** The error of a call of a held agent; null when it is not held. */
export function findRefusal({
  name,
  holds,
}: {
  name: string;
  holds: AgentHold[];
}): SondeError | null {
  if (holds.length === 0) return null;
  const kinds = Object.keys(CODES) as HoldKind[];
  const first = kinds.find((kind) => holds.some((hold) => hold.kind === kind));
  const hold = holds.find(({ kind }) => kind === first) ?? holds[0];
  return new SondeError(
    first === undefined ? "AGENT_QUARANTINED" : CODES[first],
    `agent ${name} is held since ${hold?.since}: ${hold?.reason}`,
  );
}
