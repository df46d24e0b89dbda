import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseCounters } from "@sonde/pack-sdk/parse";
import { parsePageSize, roundTenth } from "./parse-proc.ts";
import * as sources from "./sources.ts";

export const memoryActivity = probe({
  description:
    "What the kernel does to find memory, measured between two looks a second apart: swapping, page faults, " +
    "reclaim, and how often the out-of-memory killer has struck since boot. Swap in and out that go on, or " +
    "direct reclaim, mean that memory is short now; a full swap alone does not.",
  result: t.object({
    measuredMs: t.integer(),
    swapInBytesPerSecond: t.nullable(t.number()),
    swapOutBytesPerSecond: t.nullable(t.number()),
    faultsPerSecond: t.number(),
    majorFaultsPerSecond: t.number({ description: "faults that had to read from storage" }),
    pagesScannedPerSecond: t.number({ description: "looked at by reclaim" }),
    directReclaimPagesPerSecond: t.number({
      description: "scanned by programs that had to wait for memory",
    }),
    oomKillsMeanwhile: t.integer(),
    oomKillsSinceBoot: t.nullable(t.integer(), {
      description: "null when the kernel does not count them",
    }),
  }),
  reads: {
    memory: sources.vmstatLooks,
    pageSize: read(sources.pageSize, { optional: true }),
  },
  run({ reads }) {
    const [before, after] = reads.memory.samples;
    const then = parseCounters(before.text);
    const now = parseCounters(after.text);
    const measuredMs = Math.round(after.at - before.at);
    const grown = (name: string): number =>
      Math.max(0, (now.get(name) ?? 0) - (then.get(name) ?? 0));
    const rate = (...names: string[]): number => {
      const count = names.reduce((sum, name) => sum + grown(name), 0);
      return roundTenth(count / (Math.max(1, measuredMs) / 1000));
    };
    const pageBytes = reads.pageSize.ok ? parsePageSize(reads.pageSize.stdout) : null;
    const bytesRate = (name: string): number | null =>
      pageBytes === null ? null : Math.round(rate(name) * pageBytes);
    return {
      measuredMs,
      swapInBytesPerSecond: bytesRate("pswpin"),
      swapOutBytesPerSecond: bytesRate("pswpout"),
      faultsPerSecond: rate("pgfault"),
      majorFaultsPerSecond: rate("pgmajfault"),
      pagesScannedPerSecond: rate("pgscan_kswapd", "pgscan_direct", "pgscan_khugepaged"),
      directReclaimPagesPerSecond: rate("pgscan_direct"),
      oomKillsMeanwhile: grown("oom_kill"),
      oomKillsSinceBoot: now.get("oom_kill") ?? null,
    };
  },
});
