import { parseCounters } from "@sonde/pack-sdk/parse";

/** `/proc/meminfo` in bytes. A field that this kernel does not report is null. */
export type Memory = {
  /** Null of an entry that the kernel does not report. */
  bytes: (name: string) => number | null;
  totalBytes: number;
  availableBytes: number;
  /** True when the kernel gives no estimate of its own. */
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
  const available = bytes("MemAvailable");
  const cached = sum(["Buffers", "Cached", "SReclaimable"].map(bytes)) ?? 0;
  // Shared memory counts as cached and cannot be reclaimed.
  const reclaimable = Math.max(0, cached - (bytes("Shmem") ?? 0));
  return {
    bytes,
    totalBytes: demand("MemTotal"),
    availableBytes: available ?? demand("MemFree") + reclaimable,
    availableEstimated: available === null,
  };
}

/** The sum of what is known; null when nothing is. */
export function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

/** `a - b`; null when one of them is not known. */
export function difference(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a - b;
}

/** Percent with one decimal. 0 of 0 is 0. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : roundTenth((part / whole) * 100);
}

export function roundTenth(value: number): number {
  return Math.round(value * 10) / 10;
}
