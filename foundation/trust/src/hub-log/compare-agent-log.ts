import type { AuditEntry, AuditRecord } from "@sonde/schemas/audit";

/** A call on which the logs of the hub and of one of its agents do not agree. */
export type Difference = {
  callId: string;
  /** Entries of it in the log of the hub and in that of the agent; null where there is none. */
  hubSeq: number | null;
  agentSeq: number | null;
  proves: string;
};

/** What of a call both logs say. */
type Told = { seq: number; record: AuditRecord };
type Call = { request?: Told; answer?: Told };

/** What the two logs must say alike of a call. */
const SAME = ["probe", "principal", "packDigest"] as const;

/**
 * Compares the calls of one agent in the hub's log with those in the agent's own.
 *
 * @param hub the hub's entries of calls of this agent
 * @param agent the agent's entries, of which the oldest may have been dropped
 * @returns each call on which they do not agree, in the hub's order
 */
export function compareAgentLog(
  hub: Iterable<AuditEntry>,
  agent: readonly AuditEntry[],
): Difference[] {
  const [atHub, atAgent] = [readCalls(hub), readCalls(agent)];
  const hashes = new Map(agent.map(({ seq, hash }) => [seq, hash]));
  const first = agent[0]?.seq ?? 1;
  const found: Difference[] = [];
  for (const [callId, { request, answer }] of atHub) {
    const own = atAgent.get(callId);
    const differ = (proves: string) =>
      found.push({
        ...{ callId, hubSeq: (request ?? answer)?.seq ?? null },
        ...{ agentSeq: (own?.request ?? own?.answer)?.seq ?? null, proves },
      });
    const head = answer?.record.detail["agentHead"] as { size: number; hash: string } | undefined;
    // The agent's log no longer has what it dropped.
    if (head !== undefined && head.size < first) continue;
    if (head !== undefined && own?.answer === undefined) {
      differ("the hub has an answer, and the agent's log has none: the agent's entry is missing");
    } else if (head !== undefined && hashes.get(head.size) !== head.hash) {
      differ(`the hub saw another entry ${head.size} of the agent's log: the agent's was changed`);
    }
    for (const member of SAME) {
      const [there, here] = [request?.record[member], own?.request?.record[member]];
      if (here === undefined || there === undefined || there === here) continue;
      differ(`the hub's ${member} is ${there ?? "none"}, the agent's is ${here ?? "none"}`);
    }
  }
  for (const [callId, { request, answer }] of atAgent) {
    if (atHub.has(callId)) continue;
    const agentSeq = (request ?? answer)?.seq ?? null;
    const proves = "the agent ran it, and the hub's log has no request: the hub's entry is missing";
    found.push({ callId, hubSeq: null, agentSeq, proves });
  }
  return found;
}

function readCalls(entries: Iterable<AuditEntry>): Map<string, Call> {
  const calls = new Map<string, Call>();
  for (const { seq, record } of entries) {
    const { callId, event } = record;
    if (callId === null || (event !== "call.request" && event !== "call.response")) continue;
    const call = calls.get(callId) ?? {};
    call[event === "call.request" ? "request" : "answer"] ??= { seq, record };
    calls.set(callId, call);
  }
  return calls;
}
