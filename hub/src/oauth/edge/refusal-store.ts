import { randomUUID } from "node:crypto";
import type { Sql } from "postgres";
import type { Directory } from "../../directory/index.ts";
import type { MissingRule } from "../core/missing-rule.ts";

/** Noted in an hour, and kept: anybody may be refused, so nobody may fill the table. */
const MAX_AN_HOUR = 60;
const MAX_KEPT = 100;
const HOUR_MS = 3_600_000;
const KEPT_MS = 7 * 24 * HOUR_MS;
/** One that comes again within a minute is not counted again. */
const AGAIN_MS = 60_000;

/** A client that the allow-list refused. */
type RefusedClient = MissingRule & {
  id: string;
  /** As the client says, unverified; null when it said none. */
  name: string | null;
  /** The address that asked; null where a browser brought the client's id. */
  from: string | null;
  refusedAt: Date;
  times: number;
};

/** Keeps which clients the allow-list refused lately. Durable, bounded, shared by all hubs. */
export function createRefusalStore(
  sql: Sql,
  directory: Pick<Directory, "change">,
  now: () => Date,
) {
  const before = (ms: number) => new Date(now().getTime() - ms);
  return {
    async note(
      { member, value }: MissingRule,
      { name, from }: Pick<RefusedClient, "name" | "from">,
    ): Promise<void> {
      const at = now();
      const known = await sql<{ isRecent: boolean }[]>`
        select refused_at > ${before(AGAIN_MS)} as "isRecent" from oauth_refused_clients
        where member = ${member} and value = ${value}`;
      if (known[0]?.isRecent === true) return;
      const [counted] = await sql<{ recent: number }[]>`
        select count(*)::integer as recent from oauth_refused_clients
        where refused_at > ${before(HOUR_MS)}`;
      if ((counted?.recent ?? 0) >= MAX_AN_HOUR) return;
      const id = randomUUID();
      await directory.change([{ kind: "client", id }], async (tx) => {
        await tx`
          insert into oauth_refused_clients
            (id, member, value, client_name, refused_from, refused_at, times)
          values (${id}, ${member}, ${value}, ${name}, ${from}, ${at}, 1)
          on conflict (member, value) do update set client_name = excluded.client_name,
            refused_from = excluded.refused_from, refused_at = excluded.refused_at,
            times = oauth_refused_clients.times + 1`;
        await tx`delete from oauth_refused_clients where id in (
          select id from oauth_refused_clients order by refused_at desc, id offset ${MAX_KEPT})`;
      });
    },
    /** The latest first. */
    async list(): Promise<RefusedClient[]> {
      return await sql<RefusedClient[]>`
        select id, member, value, client_name as name, refused_from as "from",
          refused_at as "refusedAt", times
        from oauth_refused_clients order by refused_at desc, id`;
    },
    /** @returns false when there is none of that id */
    async remove(id: string): Promise<boolean> {
      return await directory.change([{ kind: "client", id }], async (tx) => {
        const removed = await tx`delete from oauth_refused_clients where id = ${id} returning 1`;
        return removed.length === 1;
      });
    },
    async expire(): Promise<void> {
      await sql`delete from oauth_refused_clients where refused_at <= ${before(KEPT_MS)}`;
    },
  };
}
export type RefusalStore = ReturnType<typeof createRefusalStore>;
