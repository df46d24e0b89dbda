import { SondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { LogHead } from "@sonde/schemas/wire";
import { hubLogLeaf } from "@sonde/trust/hub-log";
import {
  decodeFrontier,
  encodeFrontier,
  type Frontier,
  growTree,
  listTileHashes,
  type ReadTile,
  type TileHash,
} from "@sonde/trust/log";
import type { Sql, TransactionSql } from "postgres";
import { createDroppedStore } from "./dropped-store.ts";

/**
 * The Merkle tree over the audit log, in the database. It grows after the log, outside of its writes:
 * the log alone determines it. Hashes of level 0 are those of the log's entries, dropped or not, and not stored.
 */
export type TreeStore = {
  /**
   * Takes in entries that were appended since, at most GROW_BY.
   *
   * @returns true when there may be more; false also while another hub is at it
   * @throws SondeError AUDIT_INCONSISTENT when the log does not begin with what the tree has of it
   */
  grow(): Promise<boolean>;
  readFrontier(): Promise<Frontier>;
  readTile: ReadTile;
};

/** Hashing so many takes a few milliseconds, in which the hub does nothing else. */
const GROW_BY = 2_048;

type TreeRow = { size: string; frontier: string; head: Digest };

export function createTreeStore(sql: Sql): TreeStore {
  const dropped = createDroppedStore(sql);

  async function readLeaves(first: number, count: number): Promise<Buffer[]> {
    const rows = await sql<{ seq: number; hash: Digest }[]>`
      select seq::float8 as seq, hash from audit_log
      where seq > ${first} and seq <= ${first + count} order by seq`;
    const hashes = new Map(rows.map(({ seq, hash }) => [seq, hash]));
    if (hashes.size < count) {
      const { entries } = await dropped.read({ from: first + 1, to: first + count });
      for (const { seq, hash } of entries) hashes.set(seq, hash);
    }
    return [...hashes].toSorted(([a], [b]) => a - b).map(([, hash]) => hubLogLeaf(hash));
  }

  return {
    async grow() {
      return await sql.begin(async (tx) => {
        const [row] = await tx<TreeRow[]>`
          select size, frontier, head from audit_tree for update skip locked`;
        if (row === undefined) return false;
        const size = Number(row.size);
        const [log] = await tx<{ size: string; hash: Digest }[]>`select size, hash from audit_head`;
        demandUncut({ size: Number(log?.size ?? 0), hash: log?.hash ?? row.head }, row);
        const rows = await tx<{ seq: string; previous: Digest; hash: Digest }[]>`
          select seq, previous, hash from audit_log
          where seq > ${size} order by seq limit ${GROW_BY}`;
        if (rows.length === 0) return false;
        let frontier = decodeFrontier({ size, frontier: row.frontier });
        let { head } = row;
        const completed: TileHash[] = [];
        for (const { seq, previous, hash } of rows) {
          demandNext(frontier.size + 1, head, { seq: Number(seq), previous });
          const grown = growTree(frontier, hubLogLeaf(hash));
          completed.push(...listTileHashes(frontier.size, grown.completed));
          frontier = grown.frontier;
          head = hash;
        }
        await store(tx, frontier, head, completed);
        return rows.length === GROW_BY;
      });
    },
    async readFrontier() {
      const [row] = await sql<TreeRow[]>`select size, frontier, head from audit_tree`;
      if (row === undefined) throw new Error("audit_tree has no row");
      return decodeFrontier({ size: Number(row.size), frontier: row.frontier });
    },
    async readTile({ level, index, width }) {
      const first = index * 256;
      if (level === null) throw new RangeError("the log's entries are not served as tiles");
      if (level === 0) return Buffer.concat(await readLeaves(first, width));
      const rows = await sql<{ hash: Buffer }[]>`
        select hash from audit_tree_hashes
        where level = ${level} and index >= ${first} and index < ${first + width} order by index`;
      return Buffer.concat(rows.map(({ hash }) => hash));
    },
  };
}

async function store(
  tx: TransactionSql,
  frontier: Frontier,
  head: Digest,
  completed: readonly TileHash[],
): Promise<void> {
  const stored = completed.filter(({ level }) => level > 0);
  await tx`
    insert into audit_tree_hashes (level, index, hash)
    select level, index, decode(hash, 'hex') from unnest(
      ${stored.map(({ level }) => level)}::smallint[],
      ${stored.map(({ index }) => index)}::bigint[],
      ${stored.map(({ hash }) => hash.toString("hex"))}::text[]
    ) as completed (level, index, hash)`;
  const place = encodeFrontier(frontier);
  await tx`update audit_tree set size = ${place.size}, frontier = ${place.frontier}, head = ${head}`;
}

function demandUncut(log: LogHead, tree: TreeRow): void {
  const size = Number(tree.size);
  if (log.size > size || (log.size === size && log.hash === tree.head)) return;
  throw new SondeError(
    "AUDIT_INCONSISTENT",
    `expected the log to have the ${size} entries that were signed, got ${log.size}${log.size === size ? ", and another last one" : ""}`,
  );
}

function demandNext(seq: number, head: Digest, row: { seq: number; previous: Digest }): void {
  if (row.seq === seq && row.previous === head) return;
  throw new SondeError(
    "AUDIT_INCONSISTENT",
    row.seq === seq
      ? `expected entry ${seq} to follow the one before it, got one that follows another`
      : `expected entry ${seq}, got entry ${row.seq}`,
  );
}
