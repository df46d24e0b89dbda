/** Bytes of an entry of `/proc/meminfo`. Throws when the kernel does not report it. */
export function memoryBytes(meminfo: ReadonlyMap<string, number>, name: string): number {
  const kilobytes = meminfo.get(name);
  if (kilobytes === undefined) throw new Error(`expected ${name} in /proc/meminfo, got none`);
  return kilobytes * 1024;
}

/** Percent with one decimal. 0 of 0 is 0. */
export function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : roundTenth((part / whole) * 100);
}

export function roundTenth(value: number): number {
  return Math.round(value * 10) / 10;
}
