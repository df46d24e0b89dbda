import type { AuditWitness } from "@sonde/schemas/audit";
import type { WitnessBody } from "@sonde/schemas/wire";
import type { KeptMessage } from "@sonde/trust/envelope";
import type { Sql } from "postgres";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";

/** What an agent says of a checkpoint, with its message as proof. */
export type KeptWitness = { body: WitnessBody; message: KeptMessage };

/** Keeps an agent's newest word on which checkpoint of the log it has. */
export type KeepWitness = (
  agent: { id: string; name: string },
  witness: KeptWitness,
) => Promise<void>;

/**
 * A checkpoint that these hubs did not sign is recorded: then somebody else states heads of this log.
 */
export function createKeepWitness({
  sql,
  checkpoints,
  auditLog,
  now,
}: Pick<Hub, "sql" | "checkpoints" | "auditLog" | "now">): KeepWitness {
  return async (agent, { body: { size, root }, message }) => {
    if (await checkpoints.wasSigned({ size, root: Buffer.from(root, "base64") })) {
      const witness = { size, root, at: now().toISOString(), message };
      await sql`update agents set witness = ${sql.json(witness)} where id = ${agent.id}`;
      return;
    }
    await auditLog.append(
      buildAuditRecord(now(), "envelope.refused", {
        ...{ agent: agent.name, status: "denied", code: "AUDIT_INCONSISTENT" },
        detail: { message: `expected a checkpoint of this log, got one of ${size} entries`, root },
      }),
    );
  };
}

type Row = {
  id: string;
  name: string;
  publicKey: string;
  witness: WitnessBody & { at: string; message: KeptMessage };
};

/** What agents say of the log, by name, each with the key that signed it. */
export async function readWitnesses(sql: Sql): Promise<AuditWitness[]> {
  const rows = await sql<Row[]>`
    select id, name, public_key as "publicKey", witness from agents
    where witness is not null order by name`;
  return rows.map(toWitness);
}

/**
 * The agents that keep a checkpoint of at least `size` entries, at most `limit`: `first` before the
 * others, and then those with the most entries.
 */
export async function findWitnesses(
  sql: Sql,
  { size, first, limit }: { size: number; first: string | null; limit: number },
): Promise<AuditWitness[]> {
  const rows = await sql<Row[]>`
    select id, name, public_key as "publicKey", witness from agents
    where (witness ->> 'size')::bigint >= ${size}
    order by name = ${first ?? ""} desc, (witness ->> 'size')::bigint desc, name limit ${limit}`;
  return rows.map(toWitness);
}

function toWitness({ id, name, publicKey, witness }: Row): AuditWitness {
  return { agent: name, agentId: id, publicKey, ...witness };
}
