import { probe, t } from "@sonde/pack-sdk/author";
import { missing, showMissing, showTime } from "./show-row.ts";
import * as sources from "./sources.ts";

const READ_ROWS = 500;
const DEFAULT_LIMIT = 20;
/** As mm/oom_kill.c words it since Linux 5.3. */
const KILL =
  /^(Memory cgroup out of memory|Out of memory(?: \([^)]*\))?): Killed process (\d+) \((.*)\) total-vm:(\d+)kB, anon-rss:(\d+)kB.*?(?: UID:(\d+))?(?: pgtables:.*)?$/;
const BYTES_OF_KB = 1024;

export const oomKills = probe({
  description:
    "Processes that the kernel killed because memory ran out, the newest first, as far back as the journal goes. " +
    "Explains a program that vanished without a word.",
  params: t.object({ limit: t.optional(t.integer({ minimum: 1, maximum: 100 })) }),
  result: t.object({
    kills: t.array(
      t.object({
        at: t.string({ description: "ISO 8601, UTC" }),
        pid: t.integer(),
        name: t.string({ description: "chosen by the process" }),
        uid: t.nullable(t.integer()),
        residentBytes: t.integer({ description: "anonymous memory that it had" }),
        virtualBytes: t.integer(),
        byCgroup: t.boolean({ description: "its control group was full, not the host" }),
      }),
    ),
    killCount: t.integer({ description: "before the limit" }),
    ...missing,
  }),
  reads: { rows: sources.killRows },
  run({ params, reads }) {
    const { rows } = reads.rows;
    const kills = rows.flatMap(({ at, message }) => {
      const [, why, pid, name, virtual, resident, uid] = KILL.exec(message) ?? [];
      if (name === undefined) return [];
      return [
        {
          at: showTime(at),
          pid: Number(pid),
          name,
          uid: uid === undefined ? null : Number(uid),
          residentBytes: Number(resident) * BYTES_OF_KB,
          virtualBytes: Number(virtual) * BYTES_OF_KB,
          byCgroup: (why ?? "").startsWith("Memory cgroup"),
        },
      ];
    });
    const missed = showMissing(reads.rows, rows.length >= READ_ROWS);
    return {
      kills: kills.slice(0, params.limit ?? DEFAULT_LIMIT),
      killCount: kills.length,
      ...missed,
      unreadableCount: missed.unreadableCount + rows.length - kills.length,
    };
  },
});
