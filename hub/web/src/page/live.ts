import type { AuditEntry, ChainEntry, ChainPage } from "@sonde/schemas/audit";
import type { AgentDetail, ChangedKind, EventStart } from "@sonde/schemas/hub";
import { useEffect, useState } from "preact/hooks";
import { ask, askAll, type Refusal, toRefusal, UNREACHABLE, whenSignedOut } from "./api.ts";
import { readEvents, type ServerEvent } from "./events.ts";

/** What all pages see of the hub, as it is now. */
export type Live = {
  /** `away`: the hub does not answer, and what is shown may be old. */
  connection: "opening" | "open" | "away" | "signed-out";
  me: EventStart | null;
  /** Sorted by name; null until they were read. */
  agents: readonly AgentDetail[] | null;
  /** Why the agents could not be read. */
  failure: Refusal | null;
  /** The newest entries of the audit log, oldest first; null until they were read. */
  entries: readonly AuditEntry[] | null;
  /** The newest entry among the first of them whose content was dropped; null without any. */
  droppedTo: number | null;
  /** Grows when facts of that kind must be read again. */
  versions: Record<ChangedKind, number>;
};

/** Of the audit log, in memory. */
const MAX_ENTRIES = 2_000;
const FIRST_ENTRIES = 1_000;
const RETRY_MS = { first: 500, most: 8_000 };
/** A page that nobody sees holds no connection: a browser has few for one hub. */
const HIDDEN_MS = 60_000;

let live: Live = {
  ...{ connection: "opening", me: null, agents: null, failure: null, entries: null },
  droppedTo: null,
  versions: { tools: 0, keys: 0, people: 0, clients: 0, policies: 0 },
};
const listeners = new Set<() => void>();
const agents = new Map<string, AgentDetail>();
/** Agents of which an event came while the list was being read: the event is newer. */
let since: Map<string, AgentDetail | null> | null = null;
let lastId = "";

function set(change: Partial<Live>): void {
  live = { ...live, ...change };
  for (const listener of listeners) listener();
}

/** A part of what is live. The component is drawn again when it is another. */
export function useLive<T>(select: (live: Live) => T): T {
  const [value, setValue] = useState(() => select(live));
  useEffect(() => {
    const update = () => setValue(() => select(live));
    listeners.add(update);
    update();
    return () => void listeners.delete(update);
  }, []);
  return value;
}

/** True when the person may use the routes of that right. */
export function useRight(right: string): boolean {
  return useLive(({ me }) => me?.rights.includes(right) ?? false);
}

/** Waits until a part of what is live is another than it was, at most so long. */
export function untilOther(select: (live: Live) => string, mostMs: number): Promise<void> {
  const before = select(live);
  return new Promise((done) => {
    const look = (): void => {
      if (select(live) !== before) end();
    };
    const end = (): void => {
      clearTimeout(timer);
      listeners.delete(look);
      done();
    };
    const timer = setTimeout(end, mostMs);
    listeners.add(look);
  });
}

/** Puts an agent as a route answered it, before its event comes. */
export function putAgent(agent: AgentDetail): void {
  agents.set(agent.id, agent);
  since?.set(agent.id, agent);
  drawAgents();
}

/** Where a person signs in, to come back to this page. */
export function signInAddress(): string {
  const next = `${location.pathname}${location.search}`;
  return `/login?${new URLSearchParams({ next }).toString()}`;
}

/** Opens the stream of events, and opens it again whenever it ends. */
export function startLive(): void {
  whenSignedOut(() => {
    // Who only comes now signs in first; who was here is told why the page stopped.
    if (live.me === null && live.connection === "opening") location.replace(signInAddress());
    set({ connection: "signed-out", me: null });
  });
  void follow();
}

async function follow(): Promise<void> {
  let retryMs = RETRY_MS.first;
  while (live.connection !== "signed-out") {
    const hidden = new AbortController();
    const stopWatching = abortWhenHidden(hidden);
    let isTold = false;
    try {
      await readEvents(lastId, hidden.signal, (event) => {
        retryMs = RETRY_MS.first;
        isTold = true;
        take(event);
      });
      // The hub ended it, as it does when this browser gets another session.
      if (isTold) continue;
    } catch (thrown) {
      if (toRefusal(thrown).code === "FORBIDDEN") set({ failure: toRefusal(thrown) });
    } finally {
      stopWatching();
    }
    if (isSignedOut()) return;
    if (hidden.signal.aborted) await untilVisible();
    else {
      set({ connection: "away" });
      await delay(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MS.most);
    }
  }
}

/** Apart, since the state changes while the stream is read. */
const isSignedOut = (): boolean => live.connection === "signed-out";

function take({ id, event, data }: ServerEvent): void {
  const value: unknown = JSON.parse(data);
  if (id !== "") lastId = id;
  if (event === "start") {
    set({ connection: "open", me: value as EventStart });
    if (live.agents === null) void readAgents();
  } else if (event === "reset") {
    void readAgents();
    if (live.entries !== null) void readEntries();
    const next = Object.entries(live.versions).map(([kind, version]) => [kind, version + 1]);
    set({ versions: Object.fromEntries(next) as typeof live.versions });
  } else if (event === "agent") {
    const agent = value as AgentDetail;
    agents.set(agent.id, agent);
    since?.set(agent.id, agent);
    drawAgents();
  } else if (event === "agent-gone") {
    const gone = value as { id: string };
    agents.delete(gone.id);
    since?.set(gone.id, null);
    drawAgents();
  } else if (event === "audit") addEntry(value as AuditEntry);
  else if (event === "changed") {
    const { kind } = value as { kind: ChangedKind };
    set({ versions: { ...live.versions, [kind]: live.versions[kind] + 1 } });
  }
}

/** Reads all agents. What events tell meanwhile is newer than the list. */
async function readAgents(): Promise<void> {
  const own = new Map<string, AgentDetail | null>();
  since = own;
  try {
    const list = await askAll<AgentDetail>("/agents", "agents");
    agents.clear();
    for (const agent of list) agents.set(agent.id, agent);
    for (const [id, agent] of own) {
      if (agent === null) agents.delete(id);
      else agents.set(id, agent);
    }
    set({ failure: null });
    drawAgents();
  } catch (thrown) {
    const failure = toRefusal(thrown);
    // The stream ends with the hub, and all is read again when it is back.
    if (failure.code !== UNREACHABLE) set({ failure });
    else lastId = "0.0";
  } finally {
    if (since === own) since = null;
  }
}

let drawing = false;
/** Events come by the hundred when a fleet comes back: they are drawn together. */
function drawAgents(): void {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    set({ agents: [...agents.values()].sort((a, b) => (a.name < b.name ? -1 : 1)) });
  });
}

/** Reads the newest entries of the audit log, once. Events tell the later ones. */
export async function readEntries(): Promise<Refusal | null> {
  try {
    const { head } = await ask<ChainPage>("GET", "/audit?afterSeq=0&limit=1");
    const after = Math.max(0, head.size - FIRST_ENTRIES);
    const page = await ask<ChainPage>("GET", `/audit?afterSeq=${after}&limit=1000`);
    const known = new Map(page.entries.filter(hasContent).map((entry) => [entry.seq, entry]));
    set({ droppedTo: page.entries.findLast((entry) => !hasContent(entry))?.seq ?? null });
    for (const entry of live.entries ?? []) known.set(entry.seq, entry);
    keepEntries([...known.values()]);
    return null;
  } catch (thrown) {
    return toRefusal(thrown);
  }
}

// By itself, since this page has nothing of the program's own code.
function hasContent(entry: ChainEntry): entry is AuditEntry {
  return "record" in entry;
}

let waiting: AuditEntry[] = [];
function addEntry(entry: AuditEntry): void {
  if (waiting.length === 0) {
    queueMicrotask(() => {
      const added = waiting;
      waiting = [];
      const last = live.entries?.at(-1)?.seq ?? 0;
      keepEntries([...(live.entries ?? []), ...added.filter(({ seq }) => seq > last)]);
    });
  }
  waiting.push(entry);
}

function keepEntries(entries: AuditEntry[]): void {
  entries.sort((a, b) => a.seq - b.seq);
  set({ entries: entries.slice(-MAX_ENTRIES) });
}

function delay(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function abortWhenHidden(abort: AbortController): () => void {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => abort.abort(), HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

async function untilVisible(): Promise<void> {
  while (document.hidden) {
    await new Promise((done) =>
      document.addEventListener("visibilitychange", done, { once: true }),
    );
  }
}
