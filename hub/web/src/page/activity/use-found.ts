import type { AuditEntry, DroppedPart } from "@sonde/schemas/audit";
import type { AuditSearchPage } from "@sonde/schemas/audit-search";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, type Refusal, toRefusal, UNREACHABLE } from "../api.ts";
import { followEvents, type ServerEvent } from "../events.ts";
import { useAct } from "../parts.tsx";
import type { Asked } from "./filters.ts";

/** What was found so far. */
export type Found = {
  /** Those that the page shows, the oldest first. */
  entries: readonly AuditEntry[];
  /** False until the first page was read; true where nobody may read any. */
  isRead: boolean;
  /** The oldest entry that was looked at; null when all was. */
  searchedTo: number | null;
  /** The newest of those whose content was dropped; null when nothing of what was searched was. */
  dropped: DroppedPart | null;
  /** The oldest of what was found went, for there was too much of it. */
  isCut: boolean;
  /** Where the next page is; null when there is none. */
  next: string | null;
};

export type Search = Found & {
  /** Why nothing can be found. */
  refusal: Refusal | null;
  again: () => void;
  /** Looks at older entries; null when there are none, or no room for them. */
  older: (() => void) | null;
  isLooking: boolean;
  /** Why older ones could not be read. */
  olderRefusal: Refusal | null;
};

const NOTHING: Found = {
  ...{ entries: [], isRead: false, searchedTo: null, dropped: null, isCut: false, next: null },
};
/** The most that the page holds. */
export const MAX_ENTRIES = 2_000;
const PAGE = "500";
/** Pages that are read until one has something to show. */
const MAX_PAGES = 8;
/** A browser has few connections for one hub, and the page has another one. */
const HIDDEN_MS = 5_000;

/**
 * Entries of the audit log that fit, from the hub: the newest, older ones when somebody asks for them,
 * and new ones as they are written.
 *
 * @param asked null while nobody may read the log
 * @param isShown whether the page shows something of an entry, for good
 */
export function useFound(asked: Asked | null, isShown: (entry: AuditEntry) => boolean): Search {
  const query = asked === null ? null : new URLSearchParams(asked).toString();
  const [found, setFound] = useState<Found>(NOTHING);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [turn, setTurn] = useState(0);
  const act = useAct();
  // The search that is on the page: what an earlier one brings is not.
  const current = useRef<AbortSignal | null>(null);

  async function readPages(signal: AbortSignal, from: string | null): Promise<void> {
    let cursor = from;
    for (let count = 0; count < MAX_PAGES; count++) {
      const page = await readPage(query ?? "", cursor);
      if (signal.aborted) return;
      const entries = page.entries.filter(isShown);
      setFound((before) => withPage(before, { ...page, entries }));
      cursor = page.next ?? null;
      if (cursor === null || entries.length > 0) return;
    }
  }

  useEffect(() => {
    setFound(NOTHING);
    setRefusal(null);
    if (query === null) return;
    const ended = new AbortController();
    const { signal } = ended;
    current.current = signal;
    let lastId = "";
    let isRead = false;
    const refuse = (thrown: unknown) => {
      if (signal.aborted || isAbort(thrown)) return;
      const said = toRefusal(thrown);
      setRefusal(said);
      // The stream is opened again when the hub is back, and what was not read is read then.
      if (said.code !== UNREACHABLE) ended.abort();
    };
    const readFirst = async () => {
      setRefusal(null);
      await readPages(signal, null);
      isRead = true;
    };
    void followEvents({
      ...{ path: `/audit?${query}`, after: () => lastId, signal, hiddenMs: HIDDEN_MS },
      take(event) {
        // Entries come from the first event on, so a page that is read after it leaves no gap.
        if (event.event === "start" && !isRead) readFirst().catch(refuse);
        if (event.id !== "") lastId = event.id;
        const told = readTold(event);
        if (told === null || ("entry" in told && !isShown(told.entry))) return;
        setFound((before) => withTold(before, told));
      },
      onLost(thrown) {
        // The page has its own words for a hub that does not answer.
        if (thrown !== null && toRefusal(thrown).code !== UNREACHABLE) refuse(thrown);
      },
    });
    return () => ended.abort();
  }, [query, turn]);

  const { next, isCut } = found;
  const signal = current.current;
  return {
    ...found,
    isRead: found.isRead || query === null,
    refusal,
    again: () => setTurn((before) => before + 1),
    older:
      next === null || isCut || signal === null
        ? null
        : () => act.run(async () => readPages(signal, next)),
    isLooking: act.isRunning,
    olderRefusal: act.refusal,
  };
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "AbortError";
}

function readPage(query: string, cursor: string | null): Promise<AuditSearchPage> {
  const asked = new URLSearchParams(query);
  asked.set("limit", PAGE);
  if (cursor !== null) asked.set("cursor", cursor);
  return ask<AuditSearchPage>("GET", `/audit?${asked.toString()}`);
}

type Told = { entry: AuditEntry } | { dropped: DroppedPart };

function readTold({ event, data }: ServerEvent): Told | null {
  if (event === "entry") return { entry: JSON.parse(data) as AuditEntry };
  return event === "dropped" ? { dropped: JSON.parse(data) as DroppedPart } : null;
}

function withPage(before: Found, { entries, searched, dropped, next }: AuditSearchPage): Found {
  return keep({
    ...before,
    entries: [...before.entries, ...entries],
    isRead: true,
    searchedTo: next === undefined ? null : (searched?.from ?? before.searchedTo),
    dropped: newer(before.dropped, dropped ?? null),
    next: next ?? null,
  });
}

function withTold(before: Found, told: Told): Found {
  if ("dropped" in told) return { ...before, dropped: newer(before.dropped, told.dropped) };
  return keep({ ...before, entries: [...before.entries, told.entry] });
}

function newer(one: DroppedPart | null, other: DroppedPart | null): DroppedPart | null {
  if (one === null || other === null) return one ?? other;
  return one.to >= other.to ? one : other;
}

/** Each entry once, in order. Of too many the oldest go. */
function keep(found: Found): Found {
  const known = new Map(found.entries.map((entry) => [entry.seq, entry]));
  const sorted = [...known.values()].sort((a, b) => a.seq - b.seq);
  if (sorted.length <= MAX_ENTRIES) return { ...found, entries: sorted };
  const entries = sorted.slice(-MAX_ENTRIES);
  return { ...found, entries, isCut: true, searchedTo: entries[0]?.seq ?? null };
}
