import type { HeldKey, HeldKeySet } from "./signing-keys.ts";

/**
 * The key that signs for an agent. One that follows key sets gets the present key. One of an earlier
 * release knows only the key of the time of its enrolment, and gets that as long as there is one.
 */
export function chooseCommandKey(
  {
    keys: {
      command: [present, before],
    },
  }: HeldKeySet,
  agent: { followsKeySets: boolean; enrolledAt: Date },
): HeldKey {
  const knowsBefore = !agent.followsKeySets && agent.enrolledAt < new Date(present.since);
  return knowsBefore && before !== undefined ? before : present;
}
