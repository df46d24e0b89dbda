import { type Digest, type PackName } from "@sonde/schemas/names";
import { parseJson } from "@sonde/schemas/parse";
import { type RegistryEntry, parseRegistryEntry } from "@sonde/schemas/registry";
import { type FollowedEntry, type FollowedLog } from "@sonde/schemas/trust";
import { type LogHead } from "@sonde/schemas/wire";
import type { Sql } from "postgres";

/** Adds one entry to what is being written. */
export type AddEntry = (entry: FollowedEntry) => Promise<void>;

/** Every entry of the registries' logs that this hub followed, each log under its key. */
export function createRegistryLogStore(sql: Sql) {
  return {
    /** How far the log of that key was followed; null when it never was. */
    async readFollowed(logKey: string): Promise<FollowedLog | null> {
      const [row] = await sql<{ followed: FollowedLog }[]>`
        select followed from registry_logs where log_key = ${logKey}`;
      return row?.followed ?? null;
    },

    /**
     * Keeps all entries that `follow` hands on and the place it arrives at, or,
     * when it throws, nothing.
     */
    async keepFollowed(
      logKey: string,
      at: Date,
      follow: (add: AddEntry) => Promise<FollowedLog>,
    ): Promise<FollowedLog> {
      return await sql.begin(async (tx) => {
        const followed = await follow(async ({ index, entry, head }) => {
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

    /** What the log says of one pack, in its order. */
    async readEntries(logKey: string, pack: PackName): Promise<RegistryEntry[]> {
      const rows = await sql<{ entry: string }[]>`
        select entry from registry_entries
        where log_key = ${logKey} and pack = ${pack} order by index`;
      return rows.map(({ entry }) => parseRegistryEntry(parseJson(entry, "entry", "INTERNAL")));
    },

    /** The head that the log had at that size, when it was followed so far. */
    async readHead(logKey: string, size: number): Promise<LogHead | null> {
      const [row] = await sql<{ hash: Digest }[]>`
        select head_hash as hash from registry_entries
        where log_key = ${logKey} and index = ${size - 1}`;
      return row === undefined ? null : { size, hash: row.hash };
    },
  };
}
export type RegistryLogStore = ReturnType<typeof createRegistryLogStore>;
