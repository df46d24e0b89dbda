import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { items, type Members, members, parseJson } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const NANOSECONDS = 1e6;

const amount = (description: string) => t.nullable(t.number({ description }));

export const containerStats = probe({
  description:
    "What one running container uses: CPU between two looks a second apart, memory and its limit, tasks, network and disk. " +
    "null where the engine does not tell. For its state see docker_container_inspect.",
  params: t.object({
    name: t.string({
      maxLength: 128,
      description: "name or id, as docker_containers_list gives it",
    }),
  }),
  result: t.object({
    found: t.boolean(),
    isRunning: t.boolean(),
    stats: t.nullable(
      t.object({
        cpuPercent: amount("100 is one whole CPU"),
        throttledPercent: amount("of the periods between the looks, by its CPU limit"),
        memoryBytes: amount("without the page cache that can go at once"),
        memoryLimitBytes: amount("the host's memory without a limit"),
        memoryUsedPercent: amount("of the limit"),
        taskCount: amount("threads included"),
        receivedBytes: amount("since its start, like those below"),
        sentBytes: t.nullable(t.number()),
        readBytes: t.nullable(t.number()),
        writtenBytes: t.nullable(t.number()),
      }),
    ),
  }),
  reads: {
    // Mandatory: without an answer from the engine, nothing is known about any container.
    engine: sources.engine,
    looks: read(sources.stats, { with: { name: param("name") }, optional: true }),
  },
  run({ reads: { looks } }) {
    if (!looks.ok) {
      const { code, message } = looks.failure;
      if (code === "SOURCE_NOT_FOUND") return { found: false, isRunning: false, stats: null };
      throw new Error(`expected an answer from the engine, got ${code}: ${message}`);
    }
    const [before, after] = looks.samples;
    for (const { status, truncated } of looks.samples) {
      if (status !== 200 || truncated) {
        throw new Error(`expected the whole use of a container, got status ${status}`);
      }
    }
    // Of a container that does not run Podman says nothing, and Docker that nobody read it.
    if (before.body.trim() === "" || after.body.trim() === "") {
      return { found: true, isRunning: false, stats: null };
    }
    const [first, last] = [before, after].map(({ body }) =>
      members(parseJson(body, "the container engine")),
    ) as [Members, Members];
    if (String(last.get("read") ?? "").startsWith("0001-")) {
      return { found: true, isRunning: false, stats: null };
    }
    return { found: true, isRunning: true, stats: compare(first, last) };
  },
});

function compare(first: Members, last: Members) {
  const readAt = (look: Members) => Date.parse(String(look.get("read")));
  const elapsedMs = readAt(last) - readAt(first);
  const memory = members(last.get("memory_stats"));
  const limit = number(memory, "limit");
  const usage = number(memory, "usage");
  const cache = members(memory.get("stats"));
  const inactive = number(cache, "inactive_file") ?? number(cache, "total_inactive_file") ?? 0;
  const bytes = usage === null ? null : Math.max(0, usage - inactive);
  const cpu = (look: Members) => members(look.get("cpu_stats"));
  const used = (look: Members) => number(members(cpu(look).get("cpu_usage")), "total_usage");
  const throttling = (look: Members) => members(cpu(look).get("throttling_data"));
  return {
    cpuPercent: shareOf(minus(used(last), used(first)), Math.max(0, elapsedMs) * NANOSECONDS),
    throttledPercent: shareOf(
      minus(
        number(throttling(last), "throttled_periods"),
        number(throttling(first), "throttled_periods"),
      ),
      minus(number(throttling(last), "periods"), number(throttling(first), "periods")),
    ),
    ...{ memoryBytes: bytes, memoryLimitBytes: limit },
    memoryUsedPercent: shareOf(bytes, limit),
    taskCount: number(members(last.get("pids_stats")), "current"),
    receivedBytes: sumOf(last, "rx_bytes"),
    sentBytes: sumOf(last, "tx_bytes"),
    ...countDisk(members(last.get("blkio_stats"))),
  };
}

/** Of all its interfaces. */
function sumOf(look: Members, name: string): number | null {
  const found = [...members(look.get("networks")).values()].map((one) =>
    number(members(one), name),
  );
  const known = found.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

/** An engine without an accounting of disks has an empty list. */
function countDisk(blkio: Members): { readBytes: number | null; writtenBytes: number | null } {
  const rows = items(blkio.get("io_service_bytes_recursive")).map(members);
  const count = (op: string) =>
    rows
      .filter((row) => String(row.get("op")).toLowerCase() === op)
      .reduce((sum, row) => sum + (number(row, "value") ?? 0), 0);
  if (rows.length === 0) return { readBytes: null, writtenBytes: null };
  return { readBytes: count("read"), writtenBytes: count("write") };
}

/** A counter of nanoseconds outgrows what JavaScript counts exactly, and that does not matter here. */
function number(from: Members, name: string): number | null {
  const value = from.get(name);
  return typeof value === "number" && value >= 0 && value < Infinity ? value : null;
}

function minus(later: number | null, earlier: number | null): number | null {
  return later === null || earlier === null ? null : Math.max(0, later - earlier);
}

function shareOf(part: number | null, whole: number | null): number | null {
  return part === null || !whole ? null : Math.round((part / whole) * 1000) / 10;
}
