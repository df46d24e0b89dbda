import { type ChainEntry, type DroppedPart } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import { firstOf, lastOf, segmentOf } from "@sonde/trust/hub-log";
import type { Sql, TransactionSql } from "postgres";
import type { Bounds } from "./log-search.ts";

/** A segment of the log whose content is there. */
export type Segment = {
  /** Its entries are those from `firstOf` to `lastOf`; the newest segment has only some of them yet. */
  index: number;
  /** The first and the last time of its entries, which are only nearly in order. */
  firstAt: Date;
  lastAt: Date;
  /** Of its records. */
  bytes: number;
};

/** The hashes of a segment's entries, and the one that the first of them follows, which comes first. */
export type SegmentHashes = readonly Digest[];

/** The last segment that was dropped, and the earliest and the latest time of all of them. */
export type DroppedExtent = { last: number; from: Date; until: Date };

/** What is there of entries whose content was dropped: their hashes. */
export type DroppedStore = {
  /**
   * The dropped entries among these, in order.
   *
   * @returns `saidBy` is the newest entry `log.dropped` that one of them was dropped by; 0 without any
   */
  read(within: Bounds): Promise<{ entries: ChainEntry[]; saidBy: number }>;
  /** Null when there is no dropped entry of that number. */
  readHash(seq: number): Promise<Digest | null>;
  /** What is missing of a part of the log and of that time; null when nothing is. */
  find(
    within: Bounds,
    time?: { since: Date | null; until: Date | null },
  ): Promise<DroppedPart | null>;
  /** The segments that have content, the oldest first. */
  listKept(): Promise<Segment[]>;
  /** Of all that was dropped; null when nothing was. */
  readExtent(): Promise<DroppedExtent | null>;
};

const HASH_BYTES = 32;
const PREFIX = "sha256:";

type Row = { segment: number; hashes: Buffer; said_by: number };

export function createDroppedStore(sql: Sql): DroppedStore {
  async function readHashes({ from, to }: Bounds): Promise<Row[]> {
    return await sql<Row[]>`
      select segment::float8 as segment, hashes, said_by::float8 as said_by from audit_dropped
      where segment between ${segmentOf(from)} and ${segmentOf(to)} order by segment`;
  }

  return {
    async read(within) {
      const rows = await readHashes(within);
      const entries = rows.flatMap(({ segment, hashes }): ChainEntry[] => {
        const from = Math.max(within.from, firstOf(segment));
        const to = Math.min(within.to, lastOf(segment));
        return Array.from({ length: to - from + 1 }, (_, place) => {
          const index = from + place - firstOf(segment);
          const [previous, hash] = [hashAt(hashes, index), hashAt(hashes, index + 1)];
          return { seq: from + place, previous, hash, dropped: true as const };
        });
      });
      return { entries, saidBy: Math.max(0, ...rows.map((row) => row.said_by)) };
    },
    async readHash(seq) {
      const segment = segmentOf(seq);
      const from = (seq - firstOf(segment) + 1) * HASH_BYTES + 1;
      const [row] = await sql<{ hash: Buffer }[]>`
        select substring(hashes from ${from} for ${HASH_BYTES}) as hash from audit_dropped
        where segment = ${segment}`;
      return row === undefined ? null : hashAt(row.hash, 0);
    },
    async find({ from, to }, { since, until } = { since: null, until: null }) {
      if (from > to) return null;
      const [row] = await sql<{ last: number | null; until: Date | null }[]>`
        select max(segment)::float8 as last, max(last_at) as until from audit_dropped
        where segment between ${segmentOf(from)} and ${segmentOf(to)}
          ${since === null ? sql`` : sql`and last_at >= ${since}`}
          ${until === null ? sql`` : sql`and first_at < ${until}`}`;
      if (row === undefined || row.last === null || row.until === null) return null;
      return { to: Math.min(to, lastOf(row.last)), until: row.until.toISOString() };
    },
    async listKept() {
      const rows = await sql<{ index: number; first_at: Date; last_at: Date; bytes: number }[]>`
        select span::float8 as index, first_at, last_at, bytes::float8 as bytes
        from audit_times order by span`;
      return rows.map((row) => ({
        ...{ index: row.index, bytes: row.bytes },
        ...{ firstAt: row.first_at, lastAt: row.last_at },
      }));
    },
    async readExtent() {
      const [row] = await sql<{ [Name in keyof DroppedExtent]: DroppedExtent[Name] | null }[]>`
        select max(segment)::float8 as last, min(first_at) as from, max(last_at) as until
        from audit_dropped`;
      if (row === undefined || row.last === null || row.from === null || row.until === null) {
        return null;
      }
      return { last: row.last, from: row.from, until: row.until };
    },
  };
}

/**
 * Puts the hashes of a segment in the place of its entries, and of what they are found by. All of it is
 * one transaction with what the caller does in it.
 *
 * @param hashes of all its entries; they were verified
 * @param saidBy the entry `log.dropped` that is durable
 * @throws SondeError AUDIT_INCONSISTENT when the segment does not have all of its entries
 */
export async function dropSegment(
  tx: TransactionSql,
  { index, firstAt, lastAt }: Segment,
  hashes: SegmentHashes,
  saidBy: number,
): Promise<void> {
  const [first, last] = [firstOf(index), lastOf(index)];
  // A hub that starts later compares its trust policy with the one that it recorded last.
  await tx`
    insert into audit_policies (writer, seq, sha256)
    select distinct on (writer) writer, seq, substring(record from '"sha256":"([0-9a-f]{64})"')
    from audit_log where seq between ${first} and ${last} and event = 'policy.changed'
      and writer is not null and record ~ '"sha256":"[0-9a-f]{64}"' order by writer, seq desc
    on conflict (writer) do update set seq = excluded.seq, sha256 = excluded.sha256
      where audit_policies.seq < excluded.seq`;
  const gone = await tx`delete from audit_log where seq between ${first} and ${last}`;
  if (gone.count !== hashes.length - 1) {
    throw new SondeError(
      "AUDIT_INCONSISTENT",
      `expected the entries ${first} to ${last} of the log, got ${gone.count} of them`,
    );
  }
  const bytes = Buffer.concat(hashes.map((hash) => Buffer.from(hash.slice(PREFIX.length), "hex")));
  await tx`
    insert into audit_dropped (segment, hashes, first_at, last_at, said_by)
    values (${index}, ${bytes}, ${firstAt}, ${lastAt}, ${saidBy})`;
  await tx`delete from audit_times where span = ${index}`;
}

function hashAt(hashes: Buffer, index: number): Digest {
  const at = index * HASH_BYTES;
  return `${PREFIX}${hashes.toString("hex", at, at + HASH_BYTES)}`;
}
