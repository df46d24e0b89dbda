import { probe, t } from "@sonde/pack-sdk/author";
import { difference, parseMemory, percent, sum } from "./parse-proc.ts";
import * as sources from "./sources.ts";

const bytesOrNull = (description?: string) =>
  t.nullable(t.integer(), description === undefined ? {} : { description });

export const memoryUsage = probe({
  description:
    "Physical memory and swap of the host in bytes. availableBytes is the kernel's own estimate of what " +
    "programs can still get without swapping; usedBytes is the total minus that. Cached and buffered " +
    "memory can mostly be reclaimed and is no sign of a shortage. A field is null when this kernel does " +
    "not report it.",
  result: t.object({
    totalBytes: t.integer(),
    usedBytes: t.integer(),
    usedPercent: t.number(),
    availableBytes: t.integer(),
    availableEstimated: t.boolean({
      description: "true when the kernel has no estimate: free plus what is cached and not shared",
    }),
    freeBytes: t.integer({ description: "used for nothing at all" }),
    cachedBytes: bytesOrNull("page cache and reclaimable slab"),
    buffersBytes: bytesOrNull(),
    sharedBytes: bytesOrNull("tmpfs and shared memory; not reclaimable"),
    dirtyBytes: bytesOrNull("waiting to be written to disk"),
    slabUnreclaimableBytes: bytesOrNull(),
    swapTotalBytes: bytesOrNull(),
    swapUsedBytes: bytesOrNull(),
    swapUsedPercent: t.nullable(t.number()),
  }),
  reads: { memory: sources.meminfo },
  run({ reads }) {
    const { bytes, totalBytes, availableBytes, availableEstimated } = parseMemory(
      reads.memory.text,
    );
    const usedBytes = totalBytes - availableBytes;
    const swapTotalBytes = bytes("SwapTotal");
    const swapUsedBytes = difference(swapTotalBytes, bytes("SwapFree"));
    return {
      totalBytes,
      usedBytes,
      usedPercent: percent(usedBytes, totalBytes),
      availableBytes,
      availableEstimated,
      freeBytes: bytes("MemFree") ?? 0,
      cachedBytes: sum([bytes("Cached"), bytes("SReclaimable")]),
      buffersBytes: bytes("Buffers"),
      sharedBytes: bytes("Shmem"),
      dirtyBytes: bytes("Dirty"),
      slabUnreclaimableBytes: bytes("SUnreclaim"),
      swapTotalBytes,
      swapUsedBytes,
      swapUsedPercent:
        swapTotalBytes === null || swapUsedBytes === null
          ? null
          : percent(swapUsedBytes, swapTotalBytes),
    };
  },
});
