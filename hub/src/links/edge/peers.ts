import { randomUUID } from "node:crypto";
import type { Sql } from "postgres";
import type { Directory } from "../../directory/index.ts";

const BEAT_EVERY_MS = 5_000;
/** A hub that was not seen for this long is gone, and its agents are offline. */
const GONE_AFTER_S = 20;

/** The hubs that run on this database now, this one included. */
export type Peers = {
  /** As of the last look. A hub that starts is known at once. */
  isLive(hub: string): boolean;
  running(): string[];
  /** Reads the hubs again, for a decision that must not rest on an old look. */
  look(): Promise<void>;
  /** Removes this hub from the list. */
  close(): Promise<void>;
};

/**
 * Announces this hub every few seconds and learns which others run, by the database's clock.
 *
 * @param tell.gone is called with each hub that is no longer seen
 * @param tell.replaced is called when another process runs under this hub's name
 */
export async function openPeers(
  sql: Sql,
  directory: Pick<Directory, "change" | "onChange">,
  self: string,
  tell: { gone: (hub: string) => void; replaced: () => void; report: (error: Error) => void },
): Promise<Peers> {
  const process = randomUUID();
  let live = new Set<string>();
  let looks = 0;
  let shown = 0;
  const look = async (): Promise<void> => {
    const turn = (looks += 1);
    const rows = await sql<{ id: string; process: string | null }[]>`
      select id, process from hubs where seen_at > now() - make_interval(secs => ${GONE_AFTER_S})`;
    // Ignore a look that was overtaken by a later one.
    if (turn < shown) return;
    shown = turn;
    const before = live;
    live = new Set(rows.map(({ id }) => id));
    for (const hub of before) if (!live.has(hub)) tell.gone(hub);
    const own = rows.find(({ id }) => id === self);
    if (own !== undefined && own.process !== process) tell.replaced();
  };
  const beat = async (): Promise<void> => {
    await sql`insert into hubs (id, seen_at, process) values (${self}, now(), ${process})
      on conflict (id) do update set seen_at = excluded.seen_at
      where hubs.process = excluded.process`;
    await look();
    await sql`delete from hubs where seen_at < now() - interval '1 day'`;
    await sql`delete from relayed where at < now() - interval '2 minutes'`;
  };
  directory.onChange(({ kind }) => {
    if (kind === "hub") look().catch(tell.report);
  });
  await directory.change([{ kind: "hub", id: self }], async (tx) => {
    await tx`insert into hubs (id, seen_at, process) values (${self}, now(), ${process})
      on conflict (id) do update set seen_at = excluded.seen_at, process = excluded.process`;
  });
  await look();
  const timer = setInterval(() => void beat().catch(tell.report), BEAT_EVERY_MS);
  return {
    isLive: (hub) => live.has(hub),
    running: () => [...live],
    look,
    async close() {
      clearInterval(timer);
      await directory.change([{ kind: "hub", id: self }], async (tx) => {
        await tx`delete from hubs where id = ${self} and process = ${process}`;
      });
    },
  };
}
