import { splitLines } from "@sonde/pack-sdk/parse";

type Stall = {
  avg10Percent: number;
  avg60Percent: number;
  avg300Percent: number;
  totalSeconds: number;
};

/** Null of a line that the file lacks: `/proc/pressure/irq` has no `some`. */
export type Pressure = { some: Stall | null; full: Stall | null };

const LINE = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/;

/** Parses a file of `/proc/pressure`; null of other text. Documentation/accounting/psi.rst. */
export function parsePressure(text: string): Pressure | null {
  const stalls = new Map<string, Stall>();
  for (const line of splitLines(text)) {
    const [, kind, ...numbers] = LINE.exec(line) ?? [];
    if (kind === undefined) continue;
    const [avg10Percent = 0, avg60Percent = 0, avg300Percent = 0, totalMicros = 0] =
      numbers.map(Number);
    const totalSeconds = totalMicros / 1_000_000;
    stalls.set(kind, { avg10Percent, avg60Percent, avg300Percent, totalSeconds });
  }
  if (stalls.size === 0) return null;
  return { some: stalls.get("some") ?? null, full: stalls.get("full") ?? null };
}
