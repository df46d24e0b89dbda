import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseFields, parseNumber, splitWords } from "@sonde/pack-sdk/parse";
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
    "memory and swap, and pressure stall percentages (share of time in which some task waited for the " +
    "resource; null when the kernel does not report it). Start here, then ask disk.usage, memory.usage " +
    "or processes.top.",
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
  run({ reads, now }) {
    const memory = parseMemory(reads.memory.text);
    const uptimeSeconds = Math.floor(parseNumber(splitWords(reads.uptime.text)[0], "uptime"));
    const load = parseLoad(reads.load.text);
    return {
      hostName: reads.hostName.text.trim(),
      operatingSystem: reads.system.ok ? parsePrettyName(reads.system.text) : "unknown",
      kernelRelease: reads.kernel.text.trim(),
      uptimeSeconds,
      bootedAt: new Date(parseBootTime(reads.cpu.text) ?? now - uptimeSeconds * 1000).toISOString(),
      cpuCount: reads.cpu.text.match(/^cpu\d+ /gm)?.length ?? 1,
      ...load,
      memoryTotalBytes: memory.totalBytes,
      memoryAvailableBytes: memory.availableBytes,
      swapTotalBytes: memory.bytes("SwapTotal"),
      swapUsedBytes: difference(memory.bytes("SwapTotal"), memory.bytes("SwapFree")),
      cpuPressure: reads.cpuPressure.ok ? parsePressure(reads.cpuPressure.text) : null,
      memoryPressure: reads.memoryPressure.ok ? parsePressure(reads.memoryPressure.text) : null,
      ioPressure: reads.ioPressure.ok ? parsePressure(reads.ioPressure.text) : null,
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

/** Unix time in ms of the boot; absent in some containers. */
function parseBootTime(stat: string): number | undefined {
  const found = /^btime (\d+)$/m.exec(stat);
  return found === null ? undefined : Number(found[1]) * 1000;
}

function parsePrettyName(text: string): string {
  const written = parseFields(text, "=").get("PRETTY_NAME") ?? "";
  return (/^(["'])(.*)\1$/.exec(written)?.[2] ?? written) || "unknown";
}

function parsePressure(text: string) {
  const found = /^some avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+)/m.exec(text);
  if (found === null) return null;
  return {
    someAvg10Percent: Number(found[1]),
    someAvg60Percent: Number(found[2]),
    someAvg300Percent: Number(found[3]),
  };
}
