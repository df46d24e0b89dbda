import type { Sql } from "postgres";
import { createLeases, type Lease } from "../../receivers/index.ts";
import type { CosignedNote } from "../core/witness-sender.ts";

/** How far a witness is, as it is stored. */
export type WitnessPlace = {
  /** The entries of the last checkpoint that it took; 0 before the first. */
  size: number;
  takenAt: Date | null;
  /** That checkpoint as it cosigned it; null of a witness that signs nothing. */
  cosigned: CosignedNote | null;
  failingSince: Date | null;
  error: { code: string; message: string } | null;
  /** When the audit log was last told that it has seen another log. */
  alarmedAt: Date | null;
};

export type StoredWitness = WitnessPlace & { name: string };

/** The places of witnesses. One hub of a database serves a witness at a time. */
export type WitnessStore = {
  /** @param running the hubs that run now. @returns null when another hub serves it */
  take(
    name: string,
    running: readonly string[],
  ): Promise<{ lease: Lease; place: WitnessPlace } | null>;
  /** Durable when it resolves. @returns false, with nothing saved, when the lease is another's */
  save(lease: Lease, place: WitnessPlace): Promise<boolean>;
  release(lease: Lease): Promise<void>;
  /** Of all that ever were, in the order of their names. */
  list(): Promise<StoredWitness[]>;
};

type Row = {
  name: string;
  size: string;
  taken_at: Date | null;
  note: string | null;
  cosigned_at: Date | null;
  epoch: string;
  failing_since: Date | null;
  error_code: string | null;
  error_message: string | null;
  alarmed_at: Date | null;
};

/** @param self this hub's name */
export function createWitnessStore(sql: Sql, self: string): WitnessStore {
  const leases = createLeases<Row>(sql, "audit_witnesses", self);
  return {
    async take(name, running) {
      await sql`insert into audit_witnesses (name) values (${name}) on conflict (name) do nothing`;
      const taken = await leases.take(name, running);
      return taken === null ? null : { lease: taken.lease, place: toPlace(taken.row) };
    },
    async save({ name, epoch }, place) {
      const rows = await sql`
        update audit_witnesses set
          size = ${place.size}, taken_at = ${place.takenAt},
          note = ${place.cosigned?.note ?? null}, cosigned_at = ${place.cosigned?.at ?? null},
          failing_since = ${place.failingSince},
          error_code = ${place.error?.code ?? null},
          error_message = ${place.error?.message ?? null},
          alarmed_at = ${place.alarmedAt}
        where name = ${name} and holder = ${self}::uuid and epoch = ${epoch}
        returning 1`;
      return rows.length === 1;
    },
    release: (lease) => leases.release(lease),
    async list() {
      const rows = await sql<Row[]>`select * from audit_witnesses order by name`;
      return rows.map((row) => ({ ...toPlace(row), name: row.name }));
    },
  };
}

function toPlace(row: Row): WitnessPlace {
  const { note, cosigned_at: at, error_code: code, error_message: message } = row;
  return {
    size: Number(row.size),
    takenAt: row.taken_at,
    cosigned: note === null || at === null ? null : { note, at },
    failingSince: row.failing_since,
    error: code === null ? null : { code, message: message ?? "" },
    alarmedAt: row.alarmed_at,
  };
}
