import type { Sql, TransactionSql } from "postgres";
import { dropSegment, type Segment, type SegmentHashes } from "../../audit/index.ts";
import type { HoldStore } from "./hold-store.ts";

/** The right to drop content. It ends when another hub takes it. */
export type DropLease = { epoch: string };

/** Drops segments for the one hub of the database that has the lease. */
export type DropStore = {
  /**
   * Takes the right, unless a hub that runs has it.
   *
   * @param running the hubs that run now
   */
  take(running: readonly string[]): Promise<DropLease | null>;
  release(lease: DropLease): Promise<void>;
  /**
   * Drops the content of one segment in a transaction of its own. It waits for holds that are being
   * made, and none is made meanwhile; nobody who writes or reads the log waits for it.
   *
   * @returns `held` for one that a hold keeps, and `lost` when another hub has the lease
   */
  drop(
    lease: DropLease,
    segment: Segment,
    hashes: SegmentHashes,
    saidBy: number,
  ): Promise<"dropped" | "held" | "lost">;
};

/** @param self this hub's name */
export function createDropStore(
  sql: Sql,
  self: string,
  holds: Pick<HoldStore, "isHeld">,
): DropStore {
  const isMine = async (tx: TransactionSql, { epoch }: DropLease): Promise<boolean> => {
    const rows = await tx`
      select 1 from audit_retention
      where holder = ${self}::uuid and epoch = ${epoch} for share`;
    return rows.length === 1;
  };
  return {
    async take(running) {
      const [row] = await sql<DropLease[]>`
        update audit_retention set holder = ${self}::uuid, epoch = epoch + 1
        where holder is null or holder = ${self}::uuid
          or holder <> all(${sql.array([...running])}::uuid[])
        returning epoch`;
      return row ?? null;
    },
    async release({ epoch }) {
      await sql`update audit_retention set holder = null
        where holder = ${self}::uuid and epoch = ${epoch}`;
    },
    async drop(lease, segment, hashes, saidBy) {
      return await sql.begin(async (tx) => {
        if (!(await isMine(tx, lease))) return "lost";
        await tx`lock table audit_holds in share mode`;
        if (await holds.isHeld(segment, tx)) return "held";
        await dropSegment(tx, segment, hashes, saidBy);
        return "dropped";
      });
    },
  };
}
