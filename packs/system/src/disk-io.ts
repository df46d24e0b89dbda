import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, splitLines, splitWords } from "@sonde/pack-sdk/parse";
import { percent, roundTenth } from "./parse-proc.ts";
import * as sources from "./sources.ts";

/** What the kernel counts in; Documentation/admin-guide/iostats.rst. */
const SECTOR_BYTES = 512;
const DEFAULT_LIMIT = 20;

type Counters = { device: string; numbers: number[] };

export const diskIo = probe({
  description:
    "Reads and writes of each disk between two looks a second apart, busiest first: rate, bytes, latency, " +
    "utilisation and queue. A utilisation near 100 % with a long queue means that storage is the limit; " +
    "latency is the time that requests took, their wait included. Partitions are left out unless partitions is true.",
  params: t.object({
    partitions: t.optional(t.boolean()),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    measuredMs: t.integer(),
    deviceCount: t.integer({
      description: "that were ever used, also those that limit leaves out",
    }),
    devices: t.array(
      t.object({
        device: t.string(),
        utilisationPercent: t.number({ description: "of the time with a request under way" }),
        averageQueueLength: t.number(),
        requestsInFlight: t.integer(),
        readsPerSecond: t.number(),
        writesPerSecond: t.number(),
        readBytesPerSecond: t.integer(),
        writeBytesPerSecond: t.integer(),
        readLatencyMs: t.nullable(t.number(), { description: "null without reads meanwhile" }),
        writeLatencyMs: t.nullable(t.number(), { description: "null without writes meanwhile" }),
      }),
    ),
    partitionsKnown: t.boolean({
      description: "false when partitions could not be told from disks: all are listed",
    }),
    incomplete: t.boolean(),
  }),
  reads: { disks: sources.diskLooks, names: read(sources.disks, { optional: true }) },
  run({ params, reads }) {
    const [before, after] = reads.disks.samples;
    const measuredMs = Math.max(1, Math.round(after.at - before.at));
    const whole = reads.names.ok ? new Set(reads.names.entries.map(({ name }) => name)) : null;
    const earlier = new Map(
      parseDisks(before.text).map(({ device, numbers }) => [device, numbers]),
    );
    const devices = parseDisks(after.text)
      // A name with `!` in /sys/block is one with a slash here.
      .filter(
        ({ device }) =>
          params.partitions === true || whole?.has(device.replaceAll("/", "!")) !== false,
      )
      .filter(({ numbers }) => (numbers[0] ?? 0) + (numbers[4] ?? 0) > 0)
      .map(({ device, numbers }) =>
        describe(device, earlier.get(device) ?? numbers, numbers, measuredMs),
      )
      .sort(
        (a, b) =>
          b.utilisationPercent - a.utilisationPercent ||
          b.averageQueueLength - a.averageQueueLength ||
          compareText(a.device, b.device),
      );
    return {
      measuredMs,
      deviceCount: devices.length,
      devices: devices.slice(0, params.limit ?? DEFAULT_LIMIT),
      partitionsKnown: whole !== null,
      incomplete: before.truncated || after.truncated,
    };
  },
});

/** Lines of major, minor, name and counters; proc_diskstats(5). */
function parseDisks(text: string): Counters[] {
  return splitLines(text).flatMap((line) => {
    const [, , device, ...rest] = splitWords(line);
    const numbers = rest.map(Number);
    return device === undefined || numbers.length < 11 || !numbers.every(Number.isSafeInteger)
      ? []
      : [{ device, numbers }];
  });
}

function describe(device: string, then: number[], now: number[], measuredMs: number) {
  const grown = (field: number): number => Math.max(0, (now[field] ?? 0) - (then[field] ?? 0));
  const perSecond = (count: number): number => roundTenth(count / (measuredMs / 1000));
  const latency = (requests: number, ms: number): number | null =>
    requests === 0 ? null : roundTenth(ms / requests);
  return {
    device,
    utilisationPercent: Math.min(100, percent(grown(9), measuredMs)),
    averageQueueLength: roundTenth(grown(10) / measuredMs),
    requestsInFlight: now[8] ?? 0,
    readsPerSecond: perSecond(grown(0)),
    writesPerSecond: perSecond(grown(4)),
    readBytesPerSecond: Math.round(perSecond(grown(2) * SECTOR_BYTES)),
    writeBytesPerSecond: Math.round(perSecond(grown(6) * SECTOR_BYTES)),
    readLatencyMs: latency(grown(0), grown(3)),
    writeLatencyMs: latency(grown(4), grown(7)),
  };
}
