import type { AuditEntry } from "@sonde/schemas/audit";
import type { AgentDetail, ChangedKind, EventStart } from "@sonde/schemas/hub";
import { useEffect, useState } from "preact/hooks";
import { askAll, type Refusal, toRefusal, UNREACHABLE, whenSignedOut } from "./api.ts";
import { followEvents, type ServerEvent } from "./events.ts";

/** What all pages see of the hub, as it is now. */
export type Live = {
  /** `away`: the hub does not answer, and what is shown may be old. */
  connection: "opening" | "open" | "away" | "signed-out";
  me: EventStart | null;
  /** Sorted by name; null until they were read. */
  agents: readonly AgentDetail[] | null;
  /** Why the agents could not be read. */
  failure: Refusal | null;
  /** The newest entry of the audit log of which an event came; 0 before the first. */
  newestEntry: number;
  /** Grows when facts of that kind must be read again. */
  versions: Record<ChangedKind, number>;
};

/** A page that nobody sees holds no connection: a browser has few for one hub. */
const HIDDEN_MS = 60_000;

let live: Live = {
  ...{ connection: "opening", me: null, agents: null, failure: null, newestEntry: 0 },
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
  const ended = new AbortController();
  whenSignedOut(() => {
    // Who only comes now signs in first; who was here is told why the page stopped.
    if (live.me === null && live.connection === "opening") location.replace(signInAddress());
    set({ connection: "signed-out", me: null });
    ended.abort();
  });
  void followEvents({
    ...{ path: "/events", after: () => lastId, signal: ended.signal, take, hiddenMs: HIDDEN_MS },
    onLost(thrown) {
      const failure = toRefusal(thrown);
      set({ connection: "away", ...(failure.code === "FORBIDDEN" && { failure }) });
    },
  });
}

function take({ id, event, data }: ServerEvent): void {
  const value: unknown = JSON.parse(data);
  if (id !== "") lastId = id;
  if (event === "start") {
    set({ connection: "open", me: value as EventStart });
    if (live.agents === null) void readAgents();
  } else if (event === "reset") {
    void readAgents();
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
  } else if (event === "audit") {
    set({ newestEntry: (value as AuditEntry).seq });
  } else if (event === "changed") {
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
