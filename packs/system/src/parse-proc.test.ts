import type { GuestInput } from "@sonde/pack-sdk/author";
import { expect, test } from "vitest";
import { memoryUsage } from "./memory-usage.ts";

const MIB = 1024 * 1024;

/** `/proc/meminfo` of a kernel that reports only these entries, in kB. */
function ask(entries: Record<string, number>) {
  const text = Object.entries(entries)
    .map(([name, value]) => `${name}:  ${value} kB\n`)
    .join("");
  const samples = [{ at: 0, truncated: false, data: { text } }];
  const reads: GuestInput["reads"] = { memory: { ok: true, samples } };
  return memoryUsage.call({ params: {}, now: 0, reads });
}

const BASE = { MemTotal: 8192 * 1024, MemFree: 1024 * 1024 };
const SWAP = { SwapTotal: 2048 * 1024, SwapFree: 1024 * 1024 };

test("WSL 1: without the kernel's estimate, what is free and cached counts as available", () => {
  const result = ask({ ...BASE, ...SWAP, Buffers: 512 * 1024, Cached: 1536 * 1024 });
  expect(result).toMatchObject({
    ...{ availableBytes: 3072 * MIB, availableEstimated: true, usedBytes: 5120 * MIB },
    ...{ usedPercent: 62.5, cachedBytes: 1536 * MIB, swapUsedBytes: 1024 * MIB },
    ...{ sharedBytes: null, dirtyBytes: null, slabUnreclaimableBytes: null },
  });
});

test("OpenVZ: without Buffers and Cached only what is free counts as available", () => {
  expect(ask({ ...BASE, ...SWAP })).toMatchObject({
    ...{ availableBytes: 1024 * MIB, availableEstimated: true },
    ...{ cachedBytes: null, buffersBytes: null, swapUsedPercent: 50 },
  });
});

test("gVisor: the page cache is known without the reclaimable slab", () => {
  const result = ask({ ...BASE, MemAvailable: 4096 * 1024, Cached: 2048 * 1024, Shmem: 0 });
  expect(result).toMatchObject({
    ...{ availableBytes: 4096 * MIB, availableEstimated: false, cachedBytes: 2048 * MIB },
    ...{ sharedBytes: 0, swapTotalBytes: null, swapUsedBytes: null, swapUsedPercent: null },
  });
});

test("shared memory is cached and not available", () => {
  const result = ask({ ...BASE, Cached: 1024 * 1024, Shmem: 256 * 1024 });
  expect(result).toMatchObject({ availableBytes: 1792 * MIB });
});

test("a kernel without MemTotal or MemFree is a failure, not a host without memory", () => {
  expect(() => ask({ MemFree: 1 })).toThrow("MemTotal");
  expect(() => ask({ MemTotal: 1 })).toThrow("MemFree");
});

test("a container: entries of the host beside the container's total are no share of it", () => {
  const entries = { ...BASE, MemAvailable: 64 * 1024 * 1024, Cached: 2048 * 1024 };
  expect(ask({ ...entries, SwapTotal: 1024, SwapFree: 8192 })).toMatchObject({
    ...{ availableBytes: 3072 * MIB, availableEstimated: true, usedPercent: 62.5 },
    ...{ swapTotalBytes: MIB, swapUsedBytes: null, swapUsedPercent: null },
  });
  expect(ask({ ...BASE, MemFree: 64 * 1024 * 1024 })).toMatchObject({ usedBytes: 0 });
});
