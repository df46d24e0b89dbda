import type { AttestationState, Difference } from "@sonde/schemas/hub";
import type { Digest } from "@sonde/schemas/names";
import type { AgentStatement } from "@sonde/schemas/wire";
import type { Sql, TransactionSql } from "postgres";
import type { Directory } from "../../directory/index.ts";
import { type Judgement, summarise } from "../core/judge.ts";

/** What is stored of one agent. */
export type Attested = {
  statement: AgentStatement | null;
  statementSha256: Digest | null;
  attestedAt: Date | null;
  /** The statement that a person approved. */
  baseline: AgentStatement | null;
  approvedBy: string | null;
  approvedAt: Date | null;
  state: AttestationState;
  differences: Difference[];
  acted: string | null;
  /** The key that approves the next statement in advance. */
  firstApprovedBy: string | null;
};

export type Approval = { statement: AgentStatement; by: string; at: Date };

/** Stores statements, what a person approved of them, and what the hub makes of the difference. */
export function createAttestationStore(sql: Sql, directory: Pick<Directory, "change">) {
  const change = (agentId: string, work: (tx: TransactionSql) => Promise<unknown>) =>
    directory.change([{ kind: "agent", id: agentId }], async (tx) => {
      await work(tx);
    });
  return {
    /** @returns null when there is no such agent */
    async read(agentId: string): Promise<Attested | null> {
      const [row] = await sql<Attested[]>`
        select t.statement, t.statement_sha256 as "statementSha256", t.attested_at as "attestedAt",
          t.baseline, t.approved_by as "approvedBy", t.approved_at as "approvedAt",
          coalesce(t.state, 'not-attested') as state, coalesce(t.differences, '[]') as differences,
          t.acted, a.first_approved_by as "firstApprovedBy"
        from agents a left join agent_attestations t on t.agent_id = a.id where a.id = ${agentId}`;
      return row ?? null;
    },
    /** Of the same statement as before: only its time is new. */
    async touch(agentId: string, at: Date): Promise<void> {
      await sql`update agent_attestations set attested_at = ${at} where agent_id = ${agentId}`;
    },
    /** @param approval who approved this statement in advance, if anybody did */
    async saveStatement(
      agentId: string,
      stated: { statement: AgentStatement; sha256: Digest; at: Date },
      judgement: Judgement,
      approval: Approval | null,
    ): Promise<void> {
      await change(agentId, async (tx) => {
        await tx`insert into agent_attestations (agent_id)
          select id from agents where id = ${agentId} on conflict do nothing`;
        await tx`update agent_attestations set statement = ${tx.json(stated.statement)},
          statement_sha256 = ${stated.sha256}, attested_at = ${stated.at}
          where agent_id = ${agentId}`;
        if (approval !== null) await saveApproval(tx, agentId, approval);
        await saveJudgement(tx, agentId, judgement);
      });
    },
    async saveJudgement(agentId: string, judgement: Judgement): Promise<void> {
      await change(agentId, (tx) => saveJudgement(tx, agentId, judgement));
    },
    async approve(agentId: string, approval: Approval): Promise<void> {
      await change(agentId, async (tx) => {
        await saveApproval(tx, agentId, approval);
        await saveJudgement(tx, agentId, { state: "approved", differences: [] });
      });
    },
    /** Programs and runtime of this statement are no alarm on another agent either. */
    async acceptPrograms({ statement, by, at }: Approval): Promise<void> {
      const digests = statement.files.flatMap(({ kind, sha256 }) =>
        (kind === "program" || kind === "runtime") && sha256 !== null ? [sha256] : [],
      );
      for (const sha256 of digests) {
        await sql`insert into accepted_programs (sha256, accepted_by, accepted_at)
          values (${sha256}, ${by}, ${at}) on conflict do nothing`;
      }
    },
    async findAcceptedPrograms(digests: readonly Digest[]): Promise<Set<Digest>> {
      const rows = await sql<{ sha256: Digest }[]>`
        select sha256 from accepted_programs where sha256 = any(${[...digests]})`;
      return new Set(rows.map(({ sha256 }) => sha256));
    },
    async saveAction(agentId: string, acted: string): Promise<void> {
      await sql`update agent_attestations set acted = ${acted} where agent_id = ${agentId}`;
    },
  };
}
export type AttestationStore = ReturnType<typeof createAttestationStore>;

async function saveJudgement(
  tx: TransactionSql,
  agentId: string,
  judgement: Judgement,
): Promise<void> {
  const { state, expected, review } = summarise(judgement);
  await tx`update agent_attestations set state = ${state},
    differences = ${tx.json(judgement.differences)}, expected = ${expected}, review = ${review}
    where agent_id = ${agentId}`;
}

/**
 * Makes a statement the approved one. An approval in advance is used up by it. What was done about
 * earlier drift is forgotten.
 */
async function saveApproval(
  tx: TransactionSql,
  agentId: string,
  { statement, by, at }: Approval,
): Promise<void> {
  await tx`update agents set first_approved_by = null where id = ${agentId}`;
  await tx`update agent_attestations set baseline = ${tx.json(statement)},
    approved_by = ${by}, approved_at = ${at}, acted = null where agent_id = ${agentId}`;
}
