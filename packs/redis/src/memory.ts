import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseNumber } from "@sonde/pack-sdk/parse";
import { countOf, listOf, numberOf, parseInfo, percentOf, roundTo, textOf } from "./show.ts";
import * as sources from "./sources.ts";

/** Less than that is too little to say anything of. */
const SMALL_BYTES = 64 * 1024 * 1024;
/** Of what is in use; with less than that in memory a part of it must be elsewhere. */
const RESIDENT_PART = 0.9;

/** What MEMORY STATS counts apart, and its name there. */
const PARTS: readonly (readonly [part: string, name: string])[] = [
  ["data", "dataset.bytes"],
  ["start of the server", "startup.allocated"],
  ["clients", "clients.normal"],
  ["replicas", "clients.slaves"],
  ["replication backlog", "replication.backlog"],
  ["cluster links", "cluster.links"],
  ["append-only file buffer", "aof.buffer"],
  ["scripts", "lua.caches"],
  ["functions", "functions.caches"],
];

export const memory = probe({
  description:
    "Where a Redis server's memory is: used, limit and what happens there, peak, what the system gave it, fragmentation, whether a part may be " +
    "swapped out, how much is data, clients, replication and buffers, and what the server itself advises.",
  result: t.object({
    usedBytes: t.integer({ description: "by the server's own count" }),
    maxMemoryBytes: t.nullable(t.integer(), { description: "null: no limit" }),
    limitPercent: t.number({ description: "used, of the limit; 0 without one" }),
    evictionPolicy: t.string({ description: "noeviction: at the limit writes fail" }),
    peakBytes: t.integer(),
    peakPercent: t.number({ description: "used, of the peak" }),
    residentBytes: t.integer({ description: "in the host's memory, by the kernel" }),
    systemBytes: t.integer({ description: "memory of the host" }),
    fragmentationRatio: t.number({ description: "resident to used; far above 1: fragmented" }),
    fragmentationBytes: t.integer({ description: "resident beyond used" }),
    isMaybeSwapped: t.boolean({
      description: "less is resident than used, so a part may be swapped",
    }),
    isDefragmenting: t.boolean(),
    keys: t.integer(),
    meanBytes: t.integer({ description: "of a key with its value; 0 without keys" }),
    parts: t.array(t.object({ part: t.string(), bytes: t.integer(), percent: t.number() }), {
      description: "largest first",
    }),
    databases: t.array(
      t.object({ name: t.string(), tableBytes: t.integer({ description: "of keys and expiry" }) }),
      { description: "largest first" },
    ),
    freedLaterCount: t.integer({ description: "objects that wait to be freed in the background" }),
    advice: t.nullable(t.string(), { description: "MEMORY DOCTOR, cut; null: not told" }),
    incomplete: t.boolean(),
  }),
  reads: {
    info: sources.memoryInfo,
    stats: sources.memoryStats,
    doctor: read(sources.doctor, { optional: true }),
  },
  run({ reads: { info: look, stats, doctor } }) {
    const info = parseInfo(look);
    const { counts, databases } = readStats(listOf(stats.reply));
    const [used, most] = [countOf(info, "used_memory"), numberOf(info, "maxmemory") ?? 0];
    const resident = countOf(info, "used_memory_rss");
    const counted = used - (numberOf(info, "mem_not_counted_for_evict") ?? 0);
    const peak = countOf(info, "used_memory_peak");
    return {
      usedBytes: used,
      maxMemoryBytes: most === 0 ? null : most,
      limitPercent: percentOf(counted, most),
      evictionPolicy: info.get("maxmemory_policy") ?? "",
      peakBytes: peak,
      peakPercent: percentOf(used, peak),
      residentBytes: resident,
      systemBytes: countOf(info, "total_system_memory"),
      fragmentationRatio: roundTo(resident / Math.max(1, used), 2),
      fragmentationBytes: resident - used,
      isMaybeSwapped: used >= SMALL_BYTES && resident < used * RESIDENT_PART,
      isDefragmenting: (numberOf(info, "active_defrag_running") ?? 0) > 0,
      keys: counts.get("keys.count") ?? 0,
      meanBytes: counts.get("keys.bytes-per-key") ?? 0,
      parts: PARTS.flatMap(([part, name]) => {
        const bytes = counts.get(name);
        return bytes === undefined ? [] : [{ part, bytes, percent: percentOf(bytes, used) }];
      }).toSorted((a, b) => b.bytes - a.bytes),
      databases: databases.toSorted((a, b) => b.tableBytes - a.tableBytes),
      freedLaterCount: numberOf(info, "lazyfree_pending_objects") ?? 0,
      advice: doctor.ok ? textOf(doctor.reply).slice(0, 1000).trim() : null,
      incomplete: look.truncated || stats.truncated || !doctor.ok,
    };
  },
});

/** A list of names and values in turn; a database has a list of its own. */
function readStats(list: readonly unknown[]) {
  const counts = new Map<string, number>();
  const databases: { name: string; tableBytes: number }[] = [];
  for (let at = 0; at + 1 < list.length; at += 2) {
    const [name, value] = [String(list[at]), list[at + 1]];
    if (Array.isArray(value)) {
      const sizes = readStats(value).counts;
      const tableBytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
      if (/^db\.\d+$/.test(name)) databases.push({ name: name.replace(".", ""), tableBytes });
    } else if (typeof value === "number") counts.set(name, value);
    else if (typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value)) {
      counts.set(name, parseNumber(value, name));
    }
  }
  return { counts, databases };
}
