import type { Sql } from "postgres";

/** How long a write is known by its key. */
const KEPT = "24 hours";
/** Writes with a key that one principal may have within that time. */
const MAX_WRITES = 1_000;

/** One write of one principal. The key is stored as a hash. */
export type WriteName = { principal: string; keySha256: string };

export type StoredWrite = {
  requestSha256: string;
  /** The hub that does it, or did; null when that hub has started again meanwhile. */
  hub: string | null;
  /** Null until it is answered. */
  status: number | null;
  /** Sealed; null where the answer was too long to keep. */
  answer: Buffer | null;
};

/** Writes by key. Safe with several hubs: each name is claimed once. Durable when it resolves. */
export type WriteStore = {
  /**
   * Claims a name for a request that is about to run.
   *
   * @returns null when this hub has it now; else the write that has it; `full` above the limit
   */
  claim(name: WriteName, requestSha256: string, at: Date): Promise<null | "full" | StoredWrite>;
  /** Claims what a hub left that ended. @returns false when another claimed it first */
  takeOver(name: WriteName, left: StoredWrite, at: Date): Promise<boolean>;
  finish(name: WriteName, status: number, answer: Buffer | null): Promise<void>;
  /** Forgets a write that did nothing, so that it can be sent again. */
  release(name: WriteName): Promise<void>;
  expire(now: Date): Promise<void>;
};

/** @param own this hub's name, under which an earlier process may have left writes */
export async function openWriteStore(sql: Sql, own: string): Promise<WriteStore> {
  await sql`update idempotent_writes set hub = null where hub = ${own} and status is null`;
  return {
    async claim({ principal, keySha256 }, requestSha256, at) {
      const claimed = await sql`
        insert into idempotent_writes (principal, key_sha256, request_sha256, hub, at)
        select ${principal}, ${keySha256}, ${requestSha256}, ${own}, ${at}
        where (select count(*) from idempotent_writes where principal = ${principal}
          and at > ${at}::timestamptz - ${KEPT}::interval) < ${MAX_WRITES}
        on conflict (principal, key_sha256) do update
          set request_sha256 = excluded.request_sha256, hub = excluded.hub, at = excluded.at,
            status = null, answer = null
          where idempotent_writes.at <= ${at}::timestamptz - ${KEPT}::interval
        returning 1`;
      if (claimed.length === 1) return null;
      const [row] = await sql<StoredWrite[]>`
        select request_sha256 as "requestSha256", hub, status, answer from idempotent_writes
        where principal = ${principal} and key_sha256 = ${keySha256}`;
      return row ?? "full";
    },
    async takeOver({ principal, keySha256 }, left, at) {
      const taken = await sql`
        update idempotent_writes set hub = ${own}, at = ${at}
        where principal = ${principal} and key_sha256 = ${keySha256} and status is null
          and hub is not distinct from ${left.hub} returning 1`;
      return taken.length === 1;
    },
    async finish({ principal, keySha256 }, status, answer) {
      await sql`update idempotent_writes set status = ${status}, answer = ${answer}
        where principal = ${principal} and key_sha256 = ${keySha256} and hub = ${own}`;
    },
    async release({ principal, keySha256 }) {
      await sql`delete from idempotent_writes
        where principal = ${principal} and key_sha256 = ${keySha256} and hub = ${own}`;
    },
    async expire(now) {
      await sql`delete from idempotent_writes
        where at <= ${now}::timestamptz - ${KEPT}::interval`;
    },
  };
}
