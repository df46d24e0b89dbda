import { SondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";
import { type RegistryEntry } from "@sonde/schemas/registry";
import { canonicalJson } from "@sonde/trust/canonical-json";
import {
  type Frontier,
  type TileId,
  TILE_WIDTH,
  encodeEntries,
  encodeFrontier,
  decodeFrontier,
  growTree,
  hashLeaf,
  listTileHashes,
} from "@sonde/trust/log";
import type { ISql, Sql, TransactionSql } from "postgres";
import type { PlacedEntry } from "../../core/build-index.ts";

type HeadRow = { size: string; frontier: string };

/**
 * The transparency log in the database. An entry commits in the same transaction as its change, so
 * neither exists without the other. A head is signed only once it is durable.
 */
export function createLogStore(sql: Sql) {
  async function appendBytes(
    transaction: TransactionSql,
    name: PackName,
    bytes: Uint8Array,
  ): Promise<number> {
    const [row] = await transaction<HeadRow[]>`select size, frontier from log_head for update`;
    const before = readFrontier(row);
    const { size } = before;
    const { frontier, completed } = growTree(before, hashLeaf(bytes));
    await transaction`insert into log_entries (index, name, entry)
      values (${size}, ${name}, ${bytes})`;
    for (const { level, index, hash } of listTileHashes(size, completed)) {
      await transaction`insert into log_hashes (level, index, hash)
        values (${level}, ${index}, ${hash})`;
    }
    const place = encodeFrontier(frontier);
    await transaction`update log_head set size = ${place.size}, frontier = ${place.frontier}`;
    return size;
  }

  return {
    /**
     * Binds an empty log to its key, once. A log that has a key keeps it.
     *
     * @throws SondeError CONFIG_INVALID when the log has another key
     */
    async open(key: string): Promise<void> {
      await sql`insert into log_head (size, frontier, key) values (0, '', ${key})
        on conflict do nothing`;
      const [row] = await sql<{ key: string }[]>`select key from log_head`;
      if (row?.key === key) return;
      throw new SondeError(
        "CONFIG_INVALID",
        `log key: expected the key of this registry's log, ${row?.key ?? "none"}, got ${key}`,
      );
    },

    /**
     * Appends one entry in the caller's transaction. Call it last before the commit, since writers
     * wait for each other here.
     *
     * @returns the entry's index
     */
    append(transaction: TransactionSql, entry: RegistryEntry): Promise<number> {
      return appendBytes(transaction, entry.name, Buffer.from(canonicalJson(entry), "utf8"));
    },

    /** Like `append`, for an entry that another registry wrote. */
    appendBytes,

    /**
     * Returns the index of the last entry about a pack; null when there is none. Each entry changes
     * it.
     */
    async findLast(name: PackName): Promise<number | null> {
      const [row] = await sql<{ last: string | null }[]>`
        select max(index) as last from log_entries where name = ${name}`;
      return row?.last == null ? null : Number(row.last);
    },

    /** Returns the entries about a pack, in log order, up to index `last`. */
    async readEntries(name: PackName, last: number): Promise<PlacedEntry[]> {
      const rows = await sql<{ index: string; entry: Buffer }[]>`
        select index, entry from log_entries
        where name = ${name} and index <= ${last} order by index`;
      return rows.map(({ index, entry }) => ({
        logIndex: Number(index),
        entry: JSON.parse(entry.toString("utf8")) as RegistryEntry,
      }));
    },

    /** Returns the committed head, or the head within a transaction. */
    async readHead(within: ISql = sql): Promise<Frontier> {
      const [row] = await within<HeadRow[]>`select size, frontier from log_head`;
      return readFrontier(row);
    },

    /** Returns the signed head of the last import, in a mirror. */
    async findCheckpoint(within: ISql = sql): Promise<string | null> {
      const [row] = await within<{ checkpoint: string | null }[]>`select checkpoint from log_head`;
      return row?.checkpoint ?? null;
    },

    async keepCheckpoint(transaction: TransactionSql, note: string): Promise<void> {
      await transaction`update log_head set checkpoint = ${note}`;
    },

    /** @returns null unless the log has the whole tile */
    async readTile({ level, index, width }: TileId): Promise<Buffer | null> {
      const first = index * TILE_WIDTH;
      const rows = await (level === null
        ? sql<{ bytes: Buffer }[]>`select entry as bytes from log_entries
            where index >= ${first} and index < ${first + width} order by index`
        : sql<{ bytes: Buffer }[]>`select hash as bytes from log_hashes
            where level = ${level} and index >= ${first} and index < ${first + width}
            order by index`);
      if (rows.length !== width) return null;
      const parts = rows.map(({ bytes }) => bytes);
      return level === null ? encodeEntries(parts) : Buffer.concat(parts);
    },
  };
}
export type LogStore = ReturnType<typeof createLogStore>;

function readFrontier(row: HeadRow | undefined): Frontier {
  if (row === undefined) throw new SondeError("INTERNAL", "expected the head of the log, got none");
  return decodeFrontier({ size: Number(row.size), frontier: row.frontier });
}
