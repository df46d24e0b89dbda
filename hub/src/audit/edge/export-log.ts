import { Readable } from "node:stream";
import type { AuditExportEnd, AuditExportLine, AuditFilters } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import type { LogHead } from "@sonde/schemas/wire";
import type { LogSearch, Wanted } from "./log-search.ts";

/** Entries that are in memory for one export. */
const MAX_ENTRIES = 500;
/** A reader that took nothing for so long is dropped. */
const SLOW_MS = 60_000;
/** How often is looked whether the reader may still read. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Entries as JSON lines, the oldest first. The last line says that they are all: whatever ends the
 * stream before, it is not there. Entries are read as they are taken.
 *
 * @param ports.mayGoOn is asked every few seconds; false ends the stream
 */
export function exportLog(
  ports: {
    search: LogSearch;
    elapsed: () => number;
    mayGoOn: () => Promise<boolean>;
  },
  asked: { wanted: Wanted; filters: AuditFilters; head: LogHead },
): Readable {
  const taken = { at: ports.elapsed() };
  const lines = Readable.from(toLines(ports, asked, taken), { objectMode: false });
  const watching = setInterval(() => {
    if (ports.elapsed() - taken.at > SLOW_MS) lines.destroy(new Error("the reader takes nothing"));
  }, SLOW_MS / 4);
  return lines.on("close", () => clearInterval(watching));
}

async function* toLines(
  { search, elapsed, mayGoOn }: Parameters<typeof exportLog>[0],
  { wanted, filters, head }: Parameters<typeof exportLog>[1],
  taken: { at: number },
): AsyncGenerator<Buffer> {
  const whole = { from: 1, to: head.size };
  const bounds = await search.boundsOf(wanted, whole);
  let count = 0;
  let lookedAt = elapsed();
  for (let from = bounds?.from ?? 1; bounds !== null && from <= bounds.to; ) {
    if (elapsed() - lookedAt > LOOK_AGAIN_MS) {
      if (!(await mayGoOn())) throw new SondeError("UNAUTHENTICATED", "the reader's access ended");
      lookedAt = elapsed();
    }
    taken.at = elapsed();
    const part = { from, to: bounds.to };
    const { entries, searched } = await search.page(wanted, part, "oldest", MAX_ENTRIES);
    count += entries.length;
    if (entries.length > 0) yield Buffer.from(entries.map(toLine).join(""));
    from = (searched?.to ?? bounds.to) + 1;
  }
  const end: AuditExportEnd = { complete: true, searched: bounds, entries: count, filters, head };
  yield Buffer.from(toLine(end));
}

function toLine(line: AuditExportLine): string {
  return `${JSON.stringify(line)}\n`;
}
