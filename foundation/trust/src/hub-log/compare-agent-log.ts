import {
  type AuditEntry,
  type AuditRecord,
  type ChainEntry,
  isDropped,
} from "@sonde/schemas/audit";
import { verifyChain } from "../chain/chain.ts";

/** A call on which the logs of the hub and of one of its agents do not agree. */
export type Difference = {
  callId: string;
  /** Entries of it in the log of the hub and in that of the agent; null where there is none. */
  hubSeq: number | null;
  agentSeq: number | null;
  proves: string;
};

/** Compares the log of one agent with the hub's, as the hub's is read. */
export type AgentComparison = {
  /** Takes the hub's next entry, of this agent or not. */
  see(entry: ChainEntry): void;
  /**
   * @param droppedUntil the time up to which the hub dropped content; null for a log that has all
   * @returns each call on which they do not agree
   */
  end(droppedUntil: string | null): Difference[];
};

/** What both logs must say alike of a call. */
const SAME = ["probe", "principal", "packDigest"] as const;

/** What an agent writes of a call that came to it. */
const CALL_EVENTS = new Set<AuditRecord["event"]>(["call.request", "call.response", "call.denied"]);

/** So much may the agent's clock be ahead of the hub's, for a call that the hub has dropped. */
const CLOCKS_APART_MS = 5 * 60_000;

type OwnCall = {
  seq: number;
  at: number;
  request: AuditRecord | null;
  isAnswered: boolean;
  isSeen: boolean;
};

/**
 * @param agent the agent's name
 * @param own its own entries, of which the oldest may have been dropped
 * @throws SondeError AUDIT_UNAVAILABLE when these do not follow one another
 */
export function compareAgentLog(agent: string, own: readonly AuditEntry[]): AgentComparison {
  const [first] = own;
  const from = first === undefined ? undefined : { size: first.seq - 1, hash: first.previous };
  verifyChain(own, from);
  const calls = readCalls(own);
  const hashes = new Map(own.map(({ seq, hash }) => [seq, hash]));
  const last = own.at(-1)?.seq ?? 0;
  const found: Difference[] = [];

  function compareRequest(callId: string, { seq, record }: AuditEntry, call: OwnCall): void {
    for (const member of SAME) {
      const [there, here] = [record[member], call.request?.[member]];
      if (here === undefined || there === here) continue;
      const proves = `the hub's ${member} is ${there ?? "none"}, the agent's is ${here ?? "none"}`;
      found.push({ callId, hubSeq: seq, agentSeq: call.seq, proves });
    }
  }

  function compareAnswer(callId: string, { seq, record }: AuditEntry, call?: OwnCall): void {
    const head = record.detail["agentHead"] as { size: number; hash: string } | undefined;
    // Without one the hub had no answer. What the agent dropped, or wrote after the copy, is unknown.
    if (head === undefined || head.size < (first?.seq ?? 1) || head.size > last) return;
    // The agent signed that it could write nothing.
    if (record.code === "AUDIT_UNAVAILABLE") return;
    const differ = (proves: string) =>
      found.push({ callId, hubSeq: seq, agentSeq: call?.seq ?? null, proves });
    if (call?.isAnswered !== true) {
      differ("the hub has an answer, and the agent's log has none: the agent's entry is missing");
    } else if (hashes.get(head.size) !== head.hash) {
      differ(`the hub saw another entry ${head.size} of the agent's log: the agent's was changed`);
    }
  }

  return {
    see(entry) {
      if (isDropped(entry)) return;
      const { callId, event, agent: of } = entry.record;
      if (callId === null || of !== agent) return;
      const call = calls.get(callId);
      if (call !== undefined) call.isSeen = true;
      if (event === "call.request" && call !== undefined) compareRequest(callId, entry, call);
      if (event === "call.response") compareAnswer(callId, entry, call);
    },
    end(droppedUntil) {
      const until = droppedUntil === null ? -Infinity : Date.parse(droppedUntil) + CLOCKS_APART_MS;
      for (const [callId, { seq, at, isSeen }] of calls) {
        if (isSeen || at <= until) continue;
        const proves =
          "the agent was asked, and the hub's log has no request: the hub's entry is missing";
        found.push({ callId, hubSeq: null, agentSeq: seq, proves });
      }
      return found;
    },
  };
}

function readCalls(entries: readonly AuditEntry[]): Map<string, OwnCall> {
  const calls = new Map<string, OwnCall>();
  for (const { seq, record } of entries) {
    const { callId, event } = record;
    if (callId === null || !CALL_EVENTS.has(event)) continue;
    const call = calls.get(callId) ?? {
      seq,
      at: Date.parse(record.at),
      request: null,
      isAnswered: false,
      isSeen: false,
    };
    if (event === "call.request") call.request = record;
    else call.isAnswered = true;
    calls.set(callId, call);
  }
  return calls;
}
