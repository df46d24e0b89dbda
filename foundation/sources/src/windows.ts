import type { ReadWindow, Source } from "@sonde/schemas/manifest";
import { rulesOf } from "./kinds.ts";
import { listNeeds } from "./list-needs.ts";

/**
 * Computes how much these sources read of each thing that they require. A person grants
 * that too: another part of a log may hold what the approved one never holds. Sorted, and
 * the widest of several windows with the same part.
 */
export function deriveWindows(sources: Readonly<Record<string, Source>>): ReadWindow[] {
  const windows = new Map<string, ReadWindow>();
  for (const source of Object.values(sources)) {
    for (const of of listNeeds(source)) {
      const window = { of, ...rulesOf(source).window(source) };
      const key = `${of} ${window.part}`;
      windows.set(key, widest(window, windows.get(key)));
    }
  }
  return [...windows.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

function widest(one: ReadWindow, other: ReadWindow | undefined): ReadWindow {
  if (other === undefined) return one;
  return { ...one, bytes: Math.max(one.bytes, other.bytes), ...mostEntries(one, other) };
}

function mostEntries(one: ReadWindow, other: ReadWindow): Pick<ReadWindow, "entries"> {
  if (one.entries === undefined && other.entries === undefined) return {};
  return { entries: Math.max(one.entries ?? 0, other.entries ?? 0) };
}

/**
 * Returns the windows that no granted one covers. A window covers one of the same part of
 * the same thing that is not larger. The first and the last bytes are never compared: which
 * of them a file has in common depends on its size.
 */
export function widerWindows(
  asked: readonly ReadWindow[],
  granted: readonly ReadWindow[],
): ReadWindow[] {
  return asked.filter((window) => !granted.some((known) => covers(known, window)));
}

function covers(known: ReadWindow, window: ReadWindow): boolean {
  return (
    known.of === window.of &&
    known.part === window.part &&
    known.bytes >= window.bytes &&
    (known.entries ?? 0) >= (window.entries ?? 0)
  );
}

/** Describes a window for a person: `the last 4096 bytes of file /var/log/syslog`. */
export function describeWindow({ of, part, bytes, entries }: ReadWindow): string {
  const most = entries === undefined ? "" : `${entries} entries of `;
  return `the ${part} ${bytes} bytes of ${most}${of}`;
}
