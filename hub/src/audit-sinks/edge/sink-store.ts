import type { Sql } from "postgres";
import { createLeases, type Lease } from "../../receivers/index.ts";

/** Where a sink is, as it is stored. */
export type SinkPlace = {
  /** The last entry that the receiver has acknowledged. */
  seq: number;
  /** The last entry of the batch that was begun; null when none was. */
  batchEnd: number | null;
  failingSince: Date | null;
  failedAt: Date | null;
  error: { code: string; message: string } | null;
  /** Whether the audit log says that it fails. */
  told: boolean;
  rejected: number;
};

export type StoredSink = SinkPlace & {
  name: string;
  /** The size of the log, and the time of the first entry after `seq`. */
  head: number;
  oldestAt: Date | null;
};

/** The places of sinks. One hub of a database runs a sink at a time. */
export type SinkStore = {
  /**
   * Takes the right to run a sink, unless a hub that runs has it. The former holder then cannot save any
   * more, so two hubs never both go on.
   *
   * @param running the hubs that run now
   * @returns null when another hub runs it
   */
  take(
    name: string,
    from: "now" | "start",
    running: readonly string[],
  ): Promise<{ lease: Lease; place: SinkPlace } | null>;
  /** Durable when it resolves. @returns false, with nothing saved, when the lease is another's */
  save(lease: Lease, place: SinkPlace): Promise<boolean>;
  release(lease: Lease): Promise<void>;
  list(names: readonly string[]): Promise<StoredSink[]>;
};

type Row = {
  name: string;
  seq: string;
  batch_end: string | null;
  epoch: string;
  failing_since: Date | null;
  failed_at: Date | null;
  error_code: string | null;
  error_message: string | null;
  told: boolean;
  rejected: string;
};

/** @param self this hub's name */
export function createSinkStore(sql: Sql, self: string): SinkStore {
  const leases = createLeases<Row>(sql, "audit_sinks", self);
  return {
    async take(name, from, running) {
      await sql`
        insert into audit_sinks (name, seq)
        select ${name}, case when ${from} = 'start' then 0 else size end from audit_head
        on conflict (name) do nothing`;
      const taken = await leases.take(name, running);
      return taken === null ? null : { lease: taken.lease, place: toPlace(taken.row) };
    },
    async save({ name, epoch }, place) {
      const rows = await sql`
        update audit_sinks set
          seq = ${place.seq}, batch_end = ${place.batchEnd},
          failing_since = ${place.failingSince}, failed_at = ${place.failedAt},
          error_code = ${place.error?.code ?? null},
          error_message = ${place.error?.message ?? null},
          told = ${place.told}, rejected = ${place.rejected}
        where name = ${name} and holder = ${self}::uuid and epoch = ${epoch}
        returning 1`;
      return rows.length === 1;
    },
    release: (lease) => leases.release(lease),
    async list(names) {
      const rows = await sql<(Row & { head: string; oldest_at: Date | null })[]>`
        select sink.*, head.size as head, (
          select at from audit_log
          where audit_log.seq > sink.seq order by audit_log.seq limit 1
        ) as oldest_at
        from audit_sinks sink, audit_head head
        where name = any(${sql.array([...names])}::text[])`;
      return rows.map((row) => ({
        ...toPlace(row),
        name: row.name,
        head: Number(row.head),
        oldestAt: row.oldest_at,
      }));
    },
  };
}

function toPlace(row: Row): SinkPlace {
  const { error_code: code, error_message: message } = row;
  return {
    seq: Number(row.seq),
    batchEnd: row.batch_end === null ? null : Number(row.batch_end),
    failingSince: row.failing_since,
    failedAt: row.failed_at,
    error: code === null ? null : { code, message: message ?? "" },
    told: row.told,
    rejected: Number(row.rejected),
  };
}
