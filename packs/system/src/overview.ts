import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseFields, parseNumber, splitWords } from "@sonde/pack-sdk/parse";
import { parsePressure } from "./parse-pressure.ts";
import { difference, parseMemory } from "./parse-proc.ts";
import * as sources from "./sources.ts";

const pressure = t.nullable(
  t.object({
    someAvg10Percent: t.number(),
    someAvg60Percent: t.number(),
    someAvg300Percent: t.number(),
  }),
);

export const overview = probe({
  description:
    "Identity and overall load of the host: operating system, kernel, uptime, CPU count, load averages, " +
    "memory and swap, and pressure (share of time in which some task waited for the resource; null when " +
    "the kernel does not report it). Start here, then ask system_disk_usage, system_memory_usage or " +
    "system_processes_top.",
  result: t.object({
    hostName: t.string(),
    operatingSystem: t.string({ description: "as the distribution names itself" }),
    kernelRelease: t.string(),
    uptimeSeconds: t.integer(),
    bootedAt: t.string({ description: "ISO 8601, UTC" }),
    cpuCount: t.integer({ description: "online logical CPUs" }),
    loadAverage1m: t.number(),
    loadAverage5m: t.number(),
    loadAverage15m: t.number(),
    runnableTaskCount: t.integer(),
    totalTaskCount: t.integer({ description: "processes and threads" }),
    memoryTotalBytes: t.integer(),
    memoryAvailableBytes: t.integer(),
    swapTotalBytes: t.nullable(t.integer(), {
      description: "null when the kernel does not report it",
    }),
    swapUsedBytes: t.nullable(t.integer()),
    cpuPressure: pressure,
    memoryPressure: pressure,
    ioPressure: pressure,
  }),
  reads: {
    uptime: sources.uptime,
    load: sources.loadavg,
    memory: sources.meminfo,
    cpu: sources.cpu,
    hostName: sources.hostName,
    kernel: sources.kernelRelease,
    system: read(sources.osRelease, { optional: true }),
    cpuPressure: read(sources.cpuPressure, { optional: true }),
    memoryPressure: read(sources.memoryPressure, { optional: true }),
    ioPressure: read(sources.ioPressure, { optional: true }),
  },
  run({ reads }) {
    const memory = parseMemory(reads.memory.text);
    const uptime = parseNumber(splitWords(reads.uptime.text)[0], "uptime");
    const load = parseLoad(reads.load.text);
    return {
      hostName: reads.hostName.text.trim(),
      operatingSystem: reads.system.ok ? parsePrettyName(reads.system.text) : "unknown",
      kernelRelease: reads.kernel.text.trim(),
      uptimeSeconds: Math.floor(uptime),
      bootedAt: findBootTime(reads.cpu.text, reads.uptime.at - uptime * 1000).toISOString(),
      cpuCount: reads.cpu.text.match(/^cpu\d+ /gm)?.length ?? 1,
      ...load,
      memoryTotalBytes: memory.totalBytes,
      memoryAvailableBytes: memory.availableBytes,
      swapTotalBytes: memory.bytes("SwapTotal"),
      swapUsedBytes: difference(memory.bytes("SwapTotal"), memory.bytes("SwapFree")),
      cpuPressure: reads.cpuPressure.ok ? findSome(reads.cpuPressure.text) : null,
      memoryPressure: reads.memoryPressure.ok ? findSome(reads.memoryPressure.text) : null,
      ioPressure: reads.ioPressure.ok ? findSome(reads.ioPressure.text) : null,
    };
  },
});

// "0.20 0.18 0.12 1/80 11206": proc(5), /proc/loadavg.
function parseLoad(text: string) {
  const [one, five, fifteen, tasks] = splitWords(text);
  const [runnable, total] = (tasks ?? "").split("/");
  return {
    loadAverage1m: parseNumber(one, "load average"),
    loadAverage5m: parseNumber(five, "load average"),
    loadAverage15m: parseNumber(fifteen, "load average"),
    runnableTaskCount: parseNumber(runnable, "runnable tasks"),
    totalTaskCount: parseNumber(total, "tasks"),
  };
}

/**
 * When the host was booted: as `/proc/stat` states it, to the second, or `since`. In some containers
 * the uptime is the container's and `/proc/stat` the host's, or does not say; then the uptime
 * decides, because the answer states it too.
 *
 * @param since now less the uptime, in ms
 */
function findBootTime(stat: string, since: number): Date {
  const stated = Number(/^btime (\d+)$/m.exec(stat)?.[1]) * 1000;
  return new Date(Math.abs(stated - since) < 5000 ? stated : Math.round(since / 1000) * 1000);
}

function parsePrettyName(text: string): string {
  const written = parseFields(text, "=").get("PRETTY_NAME") ?? "";
  return (/^(["'])(.*)\1$/.exec(written)?.[2] ?? written) || "unknown";
}

function findSome(text: string) {
  const some = parsePressure(text)?.some ?? null;
  if (some === null) return null;
  return {
    someAvg10Percent: some.avg10Percent,
    someAvg60Percent: some.avg60Percent,
    someAvg300Percent: some.avg300Percent,
  };
}
