import { Readable } from "node:stream";
import type { ChainEntry } from "@sonde/schemas/audit";
import type { AuditExportEnd, AuditExportLine, AuditFilters } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import type { LogHead } from "@sonde/schemas/wire";
import type { AuditStore } from "./audit-store.ts";
import type { DroppedStore } from "./dropped-store.ts";
import type { LogSearch, Wanted } from "./log-search.ts";

/** Entries that are in memory for one export. */
const MAX_ENTRIES = 500;
/** A reader that took nothing for so long is dropped. */
const SLOW_MS = 60_000;
/** How often is looked whether the reader may still read. */
const LOOK_AGAIN_MS = 5_000;

/**
 * Entries as JSON lines, the oldest first; without filters the whole chain, dropped entries too. The
 * last line says that they are all: whatever ends the stream before, it is not there. Entries are read
 * as they are taken.
 *
 * @param ports.mayGoOn is asked every few seconds; false ends the stream
 */
export function exportLog(
  ports: {
    search: LogSearch;
    store: Pick<AuditStore, "readChain">;
    dropped: Pick<DroppedStore, "find">;
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
  ports: Parameters<typeof exportLog>[0],
  { wanted, filters, head }: Parameters<typeof exportLog>[1],
  taken: { at: number },
): AsyncGenerator<Buffer> {
  const { search, dropped, elapsed, mayGoOn } = ports;
  let lookedAt = elapsed();
  async function step(): Promise<void> {
    if (elapsed() - lookedAt > LOOK_AGAIN_MS) {
      if (!(await mayGoOn())) throw new SondeError("UNAUTHENTICATED", "the reader's access ended");
      lookedAt = elapsed();
    }
    taken.at = elapsed();
  }
  let count = 0;
  if (Object.keys(filters).length === 0) {
    let reached = head;
    for await (const entries of readChain(ports.store, head, step)) {
      count += entries.length;
      const last = entries.at(-1);
      if (last !== undefined && last.seq > head.size) reached = { size: last.seq, hash: last.hash };
      yield Buffer.from(entries.map(toLine).join(""));
    }
    const searched = head.size === 0 ? null : { from: 1, to: reached.size };
    yield Buffer.from(toLine({ complete: true, searched, entries: count, filters, head: reached }));
    return;
  }
  const whole = { from: 1, to: head.size };
  const bounds = await search.boundsOf(wanted, whole);
  for (let from = bounds?.from ?? 1; bounds !== null && from <= bounds.to; ) {
    await step();
    const part = { from, to: bounds.to };
    const { entries, searched } = await search.page(wanted, part, "oldest", MAX_ENTRIES);
    count += entries.length;
    if (entries.length > 0) yield Buffer.from(entries.map(toLine).join(""));
    from = (searched?.to ?? bounds.to) + 1;
  }
  // At the end, so that what went meanwhile is said too.
  const missing = await dropped.find(whole, wanted);
  const end: AuditExportEnd = {
    ...{ complete: true, searched: bounds, entries: count, filters, head },
    ...(missing !== null && { dropped: missing }),
  };
  yield Buffer.from(toLine(end));
}

/**
 * The whole chain. What is dropped while it is read was said after the head that it began with: then
 * the entry that speaks for it is read too.
 */
async function* readChain(
  store: Pick<AuditStore, "readChain">,
  head: LogHead,
  step: () => Promise<void>,
): AsyncGenerator<ChainEntry[]> {
  let end = head.size;
  for (let after = 0; after < end; ) {
    await step();
    const limit = Math.min(MAX_ENTRIES, end - after);
    const { entries, saidBy } = await store.readChain(after, limit);
    end = Math.max(end, saidBy);
    // Where entries are missing, the chain has a gap that every verifier names.
    after += limit;
    if (entries.length > 0) yield entries;
  }
}

function toLine(line: AuditExportLine): string {
  return `${JSON.stringify(line)}\n`;
}
