import type { Sql } from "postgres";
import type { Directory } from "../../directory/index.ts";

const BEAT_EVERY_MS = 5_000;
/** A hub that was not seen for so long is gone, and its agents are offline. */
const GONE_AFTER_S = 20;

/** The hubs that run on this database now, this one among them. */
export type Peers = {
  /** As it was seen last; one that has just started is known at once. */
  isLive(hub: string): boolean;
  /** Looks anew, for a decision that must not rest on an old look. */
  look(): Promise<void>;
  /** Says that this hub is no more. */
  close(): Promise<void>;
};

/**
 * Says every few seconds that this hub is there and learns who else is, by the database's clock.
 *
 * @param onGone hears of each hub that is not seen any more
 */
export async function openPeers(
  sql: Sql,
  directory: Pick<Directory, "change" | "onChange">,
  self: string,
  onGone: (hub: string) => void,
  report: (error: Error) => void,
): Promise<Peers> {
  let live = new Set<string>();
  const look = async (): Promise<void> => {
    const rows = await sql<{ id: string }[]>`
      select id from hubs where seen_at > now() - make_interval(secs => ${GONE_AFTER_S})`;
    const before = live;
    live = new Set(rows.map(({ id }) => id));
    for (const hub of before) if (!live.has(hub)) onGone(hub);
  };
  const beat = async (): Promise<void> => {
    await sql`insert into hubs (id, seen_at) values (${self}, now())
      on conflict (id) do update set seen_at = excluded.seen_at`;
    await look();
    await sql`delete from hubs where seen_at < now() - interval '1 day'`;
    await sql`delete from relayed where at < now() - interval '2 minutes'`;
  };
  directory.onChange(({ kind }) => {
    if (kind === "hub") look().catch(report);
  });
  await directory.change([{ kind: "hub", id: self }], async (tx) => {
    await tx`insert into hubs (id, seen_at) values (${self}, now())
      on conflict (id) do update set seen_at = excluded.seen_at`;
  });
  await look();
  const timer = setInterval(() => void beat().catch(report), BEAT_EVERY_MS);
  return {
    isLive: (hub) => live.has(hub),
    look,
    async close() {
      clearInterval(timer);
      await directory.change([{ kind: "hub", id: self }], async (tx) => {
        await tx`delete from hubs where id = ${self}`;
      });
    },
  };
}
