import { setTimeout as wait } from "node:timers/promises";
import type { Report } from "@sonde/service";
import type { Sql } from "postgres";
import type { HubConfig } from "../../config.ts";
import type { SignedAnswer } from "../../links/index.ts";

/** Agents' answers with their orders and reads, for as long as the configuration says. */
export type KeptResults = {
  /** Queues them. The answer does not wait for it; what is lost is a gap in its evidence. */
  keep(callId: string, answer: SignedAnswer): void;
  /** Whether agents are asked for what packs read. */
  keepsReads(): boolean;
  /** Null when there is none, or none any more. */
  read(callId: string): Promise<SignedAnswer | null>;
  /** Drops what is older, or more, than the configuration says. */
  drop(): Promise<void>;
  /** Stores what waits. */
  close(): Promise<void>;
};

const DAY_MS = 86_400_000;
const USUAL_DAYS = 30;
const USUAL_BYTES = 1024 ** 3;
/** Bytes that wait for the database. Further bodies are not kept: a hub is no buffer. */
const MAX_WAITING = 64 * 1024 * 1024;
/** How long the first body waits for others: a commit for each would cost each call. */
const GATHER_MS = 100;
/** Rows of one statement. */
const TOGETHER = 100;
const DROP_EVERY_MS = 60_000;

export function openKeptResults(options: {
  sql: Sql;
  readonly config: HubConfig;
  now: () => Date;
  report: Report;
}): KeptResults {
  const { sql, now, report } = options;
  let waiting: (SignedAnswer & { callId: string })[] = [];
  let waitingBytes = 0;
  let storing: Promise<void> | null = null;
  /** Stored since the sizes were added up last. */
  let unseenBytes = Infinity;
  const limits = () => ({
    days: options.config.evidence?.resultDays ?? USUAL_DAYS,
    bytes: options.config.evidence?.resultBytes ?? USUAL_BYTES,
  });

  async function storeSome(): Promise<void> {
    const rows = waiting.slice(0, TOGETHER);
    const bytes = rows.reduce((sum, row) => sum + bytesOf(row), 0);
    waiting = waiting.slice(TOGETHER);
    waitingBytes -= bytes;
    unseenBytes += bytes;
    const at = now();
    const kept = rows.map(({ callId, body, order, reads }) => {
      return { call_id: callId, body, order_frame: order, reads_frame: reads, kept_at: at };
    });
    const columns = ["call_id", "body", "order_frame", "reads_frame", "kept_at"] as const;
    await sql`insert into kept_results ${sql(kept, ...columns)} on conflict do nothing`;
  }

  async function storeAll(): Promise<void> {
    while (waiting.length > 0) await storeSome().catch(report);
    storing = null;
  }

  /** The oldest go first. Sizes are added up when enough was stored, and no body is read for that. */
  async function drop(): Promise<void> {
    const { days, bytes } = limits();
    const before = new Date(now().getTime() - days * DAY_MS);
    await sql`delete from kept_results where kept_at < ${before}`;
    if (unseenBytes < bytes / 100) return;
    unseenBytes = 0;
    await sql`delete from kept_results where call_id in (
      select call_id from (
        select call_id, sum(pg_column_size(body) + coalesce(pg_column_size(order_frame), 0)
          + coalesce(pg_column_size(reads_frame), 0))
          over (order by kept_at desc, call_id) as bytes
        from kept_results
      ) newest where newest.bytes > ${bytes})`;
  }

  const timer = setInterval(() => void drop().catch(report), DROP_EVERY_MS);
  timer.unref();
  return {
    keepsReads: () => options.config.evidence?.reads === true && limits().days > 0,
    keep(callId, answer) {
      if (limits().days === 0) return;
      const bytes = bytesOf(answer);
      if (waitingBytes + bytes > MAX_WAITING) {
        return report(new Error("results are not kept: the database is slower than the answers"));
      }
      waiting.push({ callId, ...answer });
      waitingBytes += bytes;
      storing ??= wait(GATHER_MS).then(storeAll);
    },
    async read(callId) {
      await storing;
      const [row] = await sql<SignedAnswer[]>`
        select body, order_frame as order, reads_frame as reads from kept_results where call_id = ${callId}`;
      return row ?? null;
    },
    drop,
    async close() {
      clearInterval(timer);
      await storing;
    },
  };
}

function bytesOf({ body, order, reads }: SignedAnswer): number {
  return body.length + (order?.length ?? 0) + (reads?.length ?? 0);
}
