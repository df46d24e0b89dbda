import type { HubGrant, HubGrantsBody } from "@sonde/schemas/wire";

/** A grant that a person gave at this hub. */
export type GivenGrant = HubGrant & {
  /** When it ends unless the agent takes it over; null when it does not. */
  expiresAt: string | null;
  /** When the agent took it over; null until then. */
  takenAt: string | null;
};

/** The grants for one agent. `revision` grows with each change of them. */
export type GivenGrants = { revision: number; given: GivenGrant[] };

/** True while a grant is given to the agent: for good once the agent took it over. */
export function isInForce({ expiresAt, takenAt }: GivenGrant, now: Date): boolean {
  return takenAt !== null || expiresAt === null || Date.parse(expiresAt) > now.getTime();
}

/** All that the agent is told of these. */
export function listGrants({ revision, given }: GivenGrants, now: Date): HubGrantsBody {
  const grants = given
    .filter((grant) => isInForce(grant, now))
    .map(({ pack, digest, items, by, byName, given: at }) => {
      return { pack, digest, items, by, byName, given: at };
    });
  return { revision, grants };
}
