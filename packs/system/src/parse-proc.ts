import { parseCounters } from "@sonde/pack-sdk/parse";

/** USER_HZ: the unit of times in /proc, 100 on every current Linux architecture. */
export const TICKS_PER_SECOND = 100;

/** `/proc/meminfo` in bytes. A field that this kernel does not report is null. */
export type Memory = {
  /** Null of an entry that the kernel does not report. */
  bytes: (name: string) => number | null;
  totalBytes: number;
  availableBytes: number;
  /** True when the kernel gives no estimate of its own, or one above the total. */
  availableEstimated: boolean;
};

/**
 * Reads `/proc/meminfo`; proc(5). Every kernel reports MemTotal and MemFree. WSL 1, OpenVZ, gVisor and
 * old kernels leave out others.
 *
 * @throws Error without MemTotal or MemFree
 */
export function parseMemory(text: string): Memory {
  const kilobytes = parseCounters(text);
  const bytes = (name: string): number | null => {
    const value = kilobytes.get(name);
    return value === undefined ? null : value * 1024;
  };
  const demand = (name: string): number => {
    const value = bytes(name);
    if (value === null) throw new Error(`expected ${name} in /proc/meminfo, got none`);
    return value;
  };
  const totalBytes = demand("MemTotal");
  const stated = bytes("MemAvailable");
  // In some containers the total is the container's and other entries are the host's.
  const available = stated !== null && stated <= totalBytes ? stated : null;
  const cached = sum(["Buffers", "Cached", "SReclaimable"].map(bytes)) ?? 0;
  // Shared memory counts as cached and cannot be reclaimed.
  const reclaimable = Math.max(0, cached - (bytes("Shmem") ?? 0));
  return {
    bytes,
    totalBytes,
    availableBytes: available ?? Math.min(totalBytes, demand("MemFree") + reclaimable),
    availableEstimated: available === null,
  };
}

/** The sum of what is known; null when nothing is. */
export function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

/** The rest of a whole; null when one is not known, or more is left than there is. */
export function difference(whole: number | null, left: number | null): number | null {
  return whole === null || left === null || left > whole ? null : whole - left;
}

/** Percent with one decimal. 0 of 0 is 0. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : roundTenth((part / whole) * 100);
}

export function roundTenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The page size of this machine, in bytes; null for a command that did not state it. */
export function parsePageSize(text: string): number | null {
  const bytes = Number(text);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null;
}
