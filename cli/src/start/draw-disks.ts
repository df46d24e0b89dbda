import { styleText } from "node:util";
import { toPlainLine } from "@sonde/schemas/plain-text";

const BAR_CELLS = 20;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

type Disk = { mountPoint: string; usedBytes: number; totalBytes: number; usedPercent: number };

/**
 * The answer of `system_disk_usage` as a table with a bar for each filesystem.
 *
 * @param data the answer's data, as any client gets it
 * @returns null for data of another shape
 */
export function drawDisks(data: unknown): string | null {
  const disks = (data as { filesystems?: unknown } | null)?.filesystems;
  if (!Array.isArray(disks) || !disks.every(isDisk)) return null;
  const names = disks.map(({ mountPoint }) => toPlainLine(mountPoint));
  const width = Math.max(...names.map((name) => name.length), 0);
  return disks
    .map(({ usedBytes, totalBytes, usedPercent }, index) => {
      const filled = Math.round((Math.min(usedPercent, 100) / 100) * BAR_CELLS);
      const bar = "#".repeat(filled).padEnd(BAR_CELLS, "-");
      const percent = `${usedPercent.toFixed(0)} %`.padStart(5);
      const size = `${formatBytes(usedBytes)} of ${formatBytes(totalBytes)}`;
      const name = (names[index] ?? "").padEnd(width);
      return `  ${name}  ${styleText(colourOf(usedPercent), `[${bar}] ${percent}`)}  ${size}`;
    })
    .join("\n");
}

function isDisk(value: unknown): value is Disk {
  const disk = value as Partial<Record<keyof Disk, unknown>> | null;
  return (
    typeof disk?.mountPoint === "string" &&
    [disk.usedBytes, disk.totalBytes, disk.usedPercent].every(Number.isFinite)
  );
}

function colourOf(percent: number): "red" | "yellow" | "green" {
  if (percent >= 90) return "red";
  return percent >= 75 ? "yellow" : "green";
}

function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(bytes || 1) / 10)));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}
