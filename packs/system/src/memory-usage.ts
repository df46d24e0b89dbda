import { probe, t } from "@sonde/pack-sdk/author";
import { parseCounters } from "@sonde/pack-sdk/parse";
import { memoryBytes, percent } from "./parse-proc.ts";
import * as sources from "./sources.ts";

export const memoryUsage = probe({
  description:
    "Physical memory and swap of the host in bytes. availableBytes is the kernel's own estimate of what " +
    "programs can still get without swapping; usedBytes is the total minus that. Cached and buffered " +
    "memory can mostly be reclaimed and is no sign of a shortage.",
  result: t.object({
    totalBytes: t.integer(),
    usedBytes: t.integer(),
    usedPercent: t.number(),
    availableBytes: t.integer(),
    freeBytes: t.integer({ description: "used for nothing at all" }),
    cachedBytes: t.integer({ description: "page cache and reclaimable slab" }),
    buffersBytes: t.integer(),
    sharedBytes: t.integer({ description: "tmpfs and shared memory; not reclaimable" }),
    dirtyBytes: t.integer({ description: "waiting to be written to disk" }),
    slabUnreclaimableBytes: t.integer(),
    swapTotalBytes: t.integer(),
    swapUsedBytes: t.integer(),
    swapUsedPercent: t.number(),
  }),
  reads: { memory: sources.meminfo },
  run({ reads }) {
    const meminfo = parseCounters(reads.memory.text);
    const bytes = (name: string): number => memoryBytes(meminfo, name);
    const usedBytes = bytes("MemTotal") - bytes("MemAvailable");
    const swapUsedBytes = bytes("SwapTotal") - bytes("SwapFree");
    return {
      totalBytes: bytes("MemTotal"),
      usedBytes,
      usedPercent: percent(usedBytes, bytes("MemTotal")),
      availableBytes: bytes("MemAvailable"),
      freeBytes: bytes("MemFree"),
      cachedBytes: bytes("Cached") + bytes("SReclaimable"),
      buffersBytes: bytes("Buffers"),
      sharedBytes: bytes("Shmem"),
      dirtyBytes: bytes("Dirty"),
      slabUnreclaimableBytes: bytes("SUnreclaim"),
      swapTotalBytes: bytes("SwapTotal"),
      swapUsedBytes,
      swapUsedPercent: percent(swapUsedBytes, bytes("SwapTotal")),
    };
  },
});
