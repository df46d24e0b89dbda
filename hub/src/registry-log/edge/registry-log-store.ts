import { type Digest, type PackName } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { parseRegistryEntry } from "@sonde/schemas/registry";
import { type FollowedEntry, type FollowedLog } from "@sonde/schemas/trust";
import { type LogHead } from "@sonde/schemas/wire";
import type { Sql } from "postgres";
import type { LoggedEntry } from "../core/registry-follower.ts";

/** Advisory lock. Any number that is the same in every hub of a database. */
const FOLLOW_LOCK = 736_017_102;

/** Adds one entry to the transaction. */
export type AddEntry = (entry: FollowedEntry) => Promise<void>;

/** Stores every entry of the registries' logs that this hub followed, each log under its key. */
export function createRegistryLogStore(sql: Sql) {
  return {
    /**
     * Stores all entries that `follow` adds and the place that it returns, or nothing when it
     * throws. `follow` starts where the log was followed to; null is the log's start. One hub
     * follows at a time; the next continues from its place.
     */
    async keepFollowed(
      logKey: string,
      at: Date,
      follow: (before: FollowedLog | null, add: AddEntry) => Promise<FollowedLog>,
    ): Promise<FollowedLog> {
      return await sql.begin(async (tx) => {
        await tx`select pg_advisory_xact_lock(${FOLLOW_LOCK}, hashtext(${logKey}))`;
        const [row] = await tx<{ followed: FollowedLog }[]>`
          select followed from registry_logs where log_key = ${logKey}`;
        const followed = await follow(row?.followed ?? null, async ({ index, entry, head }) => {
          await tx`insert into registry_entries (log_key, index, pack, entry, head_hash)
            values (${logKey}, ${index}, ${entry.name}, ${JSON.stringify(entry)}, ${head.hash})`;
        });
        await tx`insert into registry_logs (log_key, followed, followed_at)
          values (${logKey}, ${sql.json(followed)}, ${at})
          on conflict (log_key) do update
          set followed = excluded.followed, followed_at = excluded.followed_at`;
        return followed;
      });
    },

    /** Returns the log's entries about one pack, in log order. */
    async readEntries(logKey: string, pack: PackName): Promise<LoggedEntry[]> {
      const rows = await sql<{ index: number; entry: string }[]>`
        select index::float8 as index, entry from registry_entries
        where log_key = ${logKey} and pack = ${pack} order by index`;
      return rows.map(({ index, entry }) => ({
        index,
        entry: parseRegistryEntry(parseJson(entry, "entry", "INTERNAL")),
      }));
    },

    /** Returns the log's head at that size, or null when it was not followed that far. */
    async readHead(logKey: string, size: number): Promise<LogHead | null> {
      const [row] = await sql<{ hash: Digest }[]>`
        select head_hash as hash from registry_entries
        where log_key = ${logKey} and index = ${size - 1}`;
      return row === undefined ? null : { size, hash: row.hash };
    },
  };
}
export type RegistryLogStore = ReturnType<typeof createRegistryLogStore>;
