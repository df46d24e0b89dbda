import type { Inbox, InboxEntry } from "@sonde/schemas/approvals";
import type { AgentDetail } from "@sonde/schemas/hub";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { needsPerson, WAITING } from "../agent-state.tsx";
import { ask, type Refusal } from "../api.ts";
import { useLive } from "../live.ts";
import { useRead } from "../parts.tsx";

type Of<Kind extends InboxEntry["kind"]> = Extract<InboxEntry, { kind: Kind }>;
export type ToolEntry = Of<"tool">;
export type HoldEntry = Of<"hold">;
export type DriftEntry = Of<"drift">;
type FirstEntry = Of<"first-attestation">;
type ApprovalEntry = Of<"approval">;
export type PackRequest = ApprovalEntry["request"];

/** Hosts that are told of together are read together, this long after the first, in ms. */
const SETTLE_MS = 400;

/** What waits for a person, as the hub lists it. It is read again whenever something of it changes. */
export function useInbox(): {
  inbox: Inbox | null;
  agents: readonly AgentDetail[] | null;
  refusal: Refusal | null;
  again: () => void;
} {
  const agents = useLive((live) => live.agents);
  const tools = useLive(({ versions }) => versions.tools);
  const [turn, setTurn] = useState(0);
  const { value, refusal, again } = useRead(() => ask<Inbox>("GET", "/inbox"), [tools, turn]);
  const listed = useMemo(() => new Set(value?.entries.flatMap(agentsOf)), [value]);
  const told = useRef<readonly AgentDetail[]>([]);
  const timer = useRef(0);
  useEffect(() => {
    const now = agents?.filter((agent) => needsPerson(agent) || listed.has(agent.name)) ?? [];
    const before = told.current;
    // An agent of which something was told is another object.
    if (now.length === before.length && now.every((agent, at) => agent === before[at])) return;
    told.current = now;
    if (timer.current !== 0) return;
    timer.current = setTimeout(() => {
      timer.current = 0;
      setTurn((one) => one + 1);
    }, SETTLE_MS);
  }, [agents, listed]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return { inbox: value, agents, refusal, again };
}

function agentsOf(entry: InboxEntry): string[] {
  if (entry.kind === "approval") return [entry.request.agent];
  return entry.kind === "tool" ? entry.agents : [entry.agent];
}

/** Words of one archive: all of them are approved together. */
export type HeldWords = { digest: string; tools: readonly ToolEntry[] };
/** The same request of several hosts. */
export type SharedRequest = { key: string; of: readonly PackRequest[] };

type Waits = {
  words: readonly HeldWords[];
  /** Newer versions that ask for more than the ones that serve. */
  upgrades: readonly SharedRequest[];
  packs: readonly SharedRequest[];
  held: readonly HoldEntry[];
  drift: readonly DriftEntry[];
  first: readonly FirstEntry[];
};

export function sortEntries(entries: readonly InboxEntry[]): Waits {
  const of = <Kind extends InboxEntry["kind"]>(kind: Kind) =>
    entries.filter((entry): entry is Of<Kind> => entry.kind === kind);
  const requests = of("approval").map(({ request }) => request);
  const asksMore = ({ difference }: PackRequest) => difference?.asksMore === true;
  const words = Map.groupBy(of("tool"), ({ packDigest }) => packDigest);
  return {
    words: [...words].map(([digest, tools]) => ({ digest, tools })),
    upgrades: share(requests.filter(asksMore)),
    packs: share(requests.filter((request) => !asksMore(request))),
    held: of("hold"),
    drift: of("drift"),
    first: of("first-attestation"),
  };
}

/** Hosts of which a person sees, and decides, exactly the same. */
function share(requests: readonly PackRequest[]): SharedRequest[] {
  const same = Map.groupBy(requests, (request) => {
    const { agent: _agent, online: _online, shownSha256: _shown, ...rest } = request;
    return JSON.stringify(rest);
  });
  return [...same.values()].map((of) => ({
    key: of.map(({ agent, digest }) => `${agent} ${digest}`).join(),
    of,
  }));
}

/** A pack that waits on its host and that this hub never verified. */
export type UnknownPack = { name: string; version: string; agents: AgentDetail[] };

/** Lists packs that wait on hosts and of which the hub's own list says nothing. */
export function listUnknownPacks(
  agents: readonly AgentDetail[],
  entries: readonly InboxEntry[],
): UnknownPack[] {
  const known = new Set(
    entries.flatMap((entry) =>
      entry.kind === "approval" ? [`${entry.request.agent} ${entry.request.digest}`] : [],
    ),
  );
  const found = new Map<string, UnknownPack>();
  for (const agent of agents) {
    for (const { name, version, digest, state } of agent.packs) {
      if (!WAITING.has(state) || known.has(`${agent.name} ${digest}`)) continue;
      const key = `${name} ${digest ?? version}`;
      const one = found.get(key) ?? { name, version, agents: [] };
      one.agents.push(agent);
      found.set(key, one);
    }
  }
  return [...found.values()];
}
