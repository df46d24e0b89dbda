import type { Sql } from "postgres";

const BEAT_EVERY_MS = 5_000;
/** A hub that was not seen for so long is gone, and its agents are offline. */
const GONE_AFTER_S = 20;

/** The hubs that run on this database now, this one among them. */
export type Peers = {
  isLive(hub: string): boolean;
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
  self: string,
  onGone: (hub: string) => void,
  report: (error: Error) => void,
): Promise<Peers> {
  let live = new Set<string>();
  const beat = async (): Promise<void> => {
    await sql`insert into hubs (id, seen_at) values (${self}, now())
      on conflict (id) do update set seen_at = excluded.seen_at`;
    const rows = await sql<{ id: string }[]>`
      select id from hubs where seen_at > now() - make_interval(secs => ${GONE_AFTER_S})`;
    const before = live;
    live = new Set(rows.map(({ id }) => id));
    for (const hub of before) if (!live.has(hub)) onGone(hub);
    await sql`delete from hubs where seen_at < now() - interval '1 day'`;
    await sql`delete from relayed where at < now() - interval '2 minutes'`;
  };
  await beat();
  const timer = setInterval(() => void beat().catch(report), BEAT_EVERY_MS);
  return {
    isLive: (hub) => live.has(hub),
    async close() {
      clearInterval(timer);
      await sql`delete from hubs where id = ${self}`;
    },
  };
}
