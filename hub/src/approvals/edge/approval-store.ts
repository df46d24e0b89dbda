import { SondeError } from "@sonde/schemas/errors";
import type { Digest, PackName } from "@sonde/schemas/names";
import type { ApprovalsBody } from "@sonde/schemas/wire";
import type { TransactionSql } from "postgres";
import { type Directory, type KnownAgent, toStorable } from "../../directory/index.ts";

/** A grant as a person gives it. */
export type NewGrant = {
  pack: PackName;
  digest: Digest;
  items: readonly string[];
  by: string;
  byName: string;
  /** Null for one that takes the place of a grant that the agent has. */
  expiresAt: Date | null;
};

/** Writes the grants that people give at this hub, and what agents say about them. */
export function createApprovalStore(directory: Pick<Directory, "change">, now: () => Date) {
  const change = <T>(agentId: string, work: (tx: TransactionSql) => Promise<T>) =>
    directory.change([{ kind: "agent", id: agentId }], work);

  /**
   * Raises the revision, if the grants are those that were seen. Of two people who decide at once the
   * second is told to look again.
   */
  async function raise(tx: TransactionSql, { id, hubGrants }: KnownAgent): Promise<number> {
    const revision = Math.max(now().getTime(), hubGrants.revision + 1);
    const raised = await tx`update agents set grants_revision = ${revision}
      where id = ${id} and grants_revision = ${hubGrants.revision} returning 1`;
    if (raised.length === 1) return revision;
    throw new SondeError(
      "APPROVAL_STALE",
      "expected the approvals as they were shown, somebody else changed them meanwhile",
    );
  }

  return {
    /**
     * @param agent as it was when the person decided
     * @returns the revision in which it is given
     * @throws SondeError APPROVAL_STALE
     */
    give(agent: KnownAgent, grant: NewGrant): Promise<number> {
      return change(agent.id, async (tx) => {
        const revision = await raise(tx, agent);
        const { pack, digest, items, by, byName, expiresAt } = grant;
        await tx`insert into hub_grants (agent_id, pack, digest, items, given_by, given_by_name,
            given, expires_at)
          values (${agent.id}, ${pack}, ${digest}, ${tx.json([...items])}, ${by}, ${byName},
            ${revision}, ${expiresAt})
          on conflict (agent_id, pack, digest) do update set items = excluded.items,
            given_by = excluded.given_by, given_by_name = excluded.given_by_name,
            given = excluded.given, expires_at = excluded.expires_at, taken_at = null`;
        await dropOver(tx, agent);
        return revision;
      });
    },
    /**
     * Takes every grant of the pack back.
     *
     * @returns the revision without it
     * @throws SondeError APPROVAL_STALE
     */
    takeBack(agent: KnownAgent, pack: PackName): Promise<number> {
      return change(agent.id, async (tx) => {
        const revision = await raise(tx, agent);
        await tx`delete from hub_grants where agent_id = ${agent.id} and pack = ${pack}`;
        return revision;
      });
    },
    /** Keeps what the agent says, and that it took over what was given up to that revision. */
    saveStated(agentId: string, stated: ApprovalsBody, at: Date): Promise<void> {
      return change(agentId, async (tx) => {
        await tx`update agents set approvals = ${tx.json(toStorable(stated))}
          where id = ${agentId}`;
        // A grant that ended before the agent came is not taken over: it was not given any more.
        await tx`update hub_grants set taken_at = ${at}
          where agent_id = ${agentId} and given <= ${stated.revision} and taken_at is null
            and (expires_at is null or expires_at > ${at})`;
      });
    },
  };

  /** Drops grants that ended, and those of archives that the agent neither has nor should have. */
  async function dropOver(tx: TransactionSql, { id, packs, desired }: KnownAgent): Promise<void> {
    const digests = [...packs, ...desired.packs].flatMap(({ digest }) => digest ?? []);
    await tx`delete from hub_grants where agent_id = ${id} and (
      not (digest = any(${digests})) or (taken_at is null and expires_at <= ${now()}))`;
  }
}
export type ApprovalStore = ReturnType<typeof createApprovalStore>;
