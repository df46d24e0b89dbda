import type { AuditEntry } from "@sonde/schemas/audit";

/** One question of a client, and what it heard. */
export type Asked = {
  /** Monotonic ms. */
  askedAt: number;
  answeredAt: number;
  /** "ok", a code of the error table, or "no answer". */
  outcome: string;
  /** Null where no answer named it. */
  callId: string | null;
};

/** What everybody who took part says afterwards, when all of them are well. */
export type History = { asked: readonly Asked[]; hub: readonly AuditEntry[]; agent: AgentLog };
export type AgentLog = { name: string; entries: readonly AuditEntry[] };

const RULES = {
  recorded: "an agent runs only what the hub has recorded",
  once: "a call is recorded once, runs once and ends once",
  closed: "each recorded request has an outcome",
  acknowledged: "what a client was told is on both records, as it was told",
  order: "what begins after an answer was heard is recorded after it",
  known: "what a client hears names what is wrong",
  alarm: "no fault of machines looks like a forged log",
} as const;
export type Rule = keyof typeof RULES;

export type Violation = { rule: Rule; callId: string | null; found: string };
/** How often each rule was applied: a history in which nothing happened shows nothing. */
export type Checked = Record<Rule, number>;

/** Codes that say somebody changed a log or copied an identity. */
const ALARMS = new Set([
  "AUDIT_INCONSISTENT",
  "CHECKPOINT_INCONSISTENT",
  "AGENT_ROLLED_BACK",
  "HUB_ROLLED_BACK",
]);

/** What says no more than that there is a defect. */
const NAMELESS = new Set(["INTERNAL", "no code"]);

type Call = { hub: AuditEntry[]; agent: AuditEntry[] };

/** What the rule demands, in words. */
export const describeRule = (rule: Rule): string => RULES[rule];

/**
 * Judges a history in which processes were killed and networks were cut. The chains of both logs
 * are verified by whoever reads them.
 */
export function checkHistory({ asked, hub, agent }: History): {
  violations: Violation[];
  checked: Checked;
} {
  const violations: Violation[] = [];
  const checked: Checked = {
    ...{ recorded: 0, once: 0, closed: 0, acknowledged: 0, order: 0 },
    ...{ known: 0, alarm: 0 },
  };
  const demand = (rule: Rule, holds: boolean, callId: string | null, found: () => string): void => {
    checked[rule] += 1;
    if (!holds) violations.push({ rule, callId, found: found() });
  };

  const calls = collectCalls(hub, agent);
  for (const [callId, call] of calls) {
    const hubEvents = describeEvents(call.hub);
    const agentEvents = describeEvents(call.agent);
    const said = () => `hub: ${hubEvents}; agent: ${agentEvents}`;
    const requests = count(call.hub, "call.request");
    if (call.agent.length > 0) demand("recorded", requests === 1, callId, said);
    const isOnce =
      requests + count(call.hub, "call.denied") <= 1 &&
      count(call.hub, "call.response", "call.unknown") <= 1 &&
      count(call.agent, "call.request") <= 1 &&
      count(call.agent, "call.response", "call.denied") <= 1;
    demand("once", isOnce, callId, said);
    if (requests > 0) {
      const ends = count(call.hub, "call.response", "call.unknown");
      demand("closed", ends > 0, callId, said);
    }
  }

  for (const { callId, outcome } of asked) {
    demand("known", !NAMELESS.has(outcome), callId, () => outcome);
    if (callId === null) continue;
    const call = calls.get(callId);
    const found = () =>
      `told: ${outcome}; hub: ${describeEvents(call?.hub ?? [])}; agent: ${describeEvents(call?.agent ?? [])}`;
    demand("acknowledged", isOnRecord(outcome, call), callId, found);
  }

  for (const side of ["hub", "agent"] as const) checkOrder(side, asked, calls, demand);

  for (const { seq, record } of [...hub, ...agent.entries]) {
    const isAlarm = record.code !== null && ALARMS.has(record.code);
    demand("alarm", !isAlarm, record.callId, () => `entry ${seq}: ${record.event} ${record.code}`);
  }
  return { violations, checked };
}

function collectCalls(hub: readonly AuditEntry[], agent: AgentLog): Map<string, Call> {
  const calls = new Map<string, Call>();
  const add = (side: keyof Call, entry: AuditEntry): void => {
    const { callId } = entry.record;
    if (callId === null) return;
    const call = calls.get(callId) ?? { hub: [], agent: [] };
    call[side].push(entry);
    calls.set(callId, call);
  };
  for (const entry of hub) add("hub", entry);
  for (const entry of agent.entries) add("agent", entry);
  return calls;
}

/**
 * Whether the logs say what the client was told. The hub's entry of an answer is not waited for, so
 * a hub that died right after an answer has `call.unknown` for it.
 */
function isOnRecord(outcome: string, call: Call | undefined): boolean {
  // It says just this: that the request could not be recorded. If it is there, it ended so.
  if (call === undefined) return outcome === "AUDIT_UNAVAILABLE";
  const [first] = call.hub;
  const end = call.hub.find(({ record }) => record.event !== "call.request")?.record;
  if (first === undefined || end === undefined) return false;
  if (outcome !== "ok") return end.event === "call.unknown" || end.code === outcome;
  const answered = call.agent.find(({ record }) => record.event === "call.response");
  return (
    first.record.event === "call.request" &&
    (end.event === "call.unknown" || end.status === "ok") &&
    answered?.record.status === "ok"
  );
}

/** Of calls that were answered, the later ones must stand behind what was heard before them. */
function checkOrder(
  side: "hub" | "agent",
  asked: readonly Asked[],
  calls: ReadonlyMap<string, Call>,
  demand: (rule: Rule, holds: boolean, callId: string | null, found: () => string) => void,
): void {
  const answered = asked.flatMap(({ askedAt, answeredAt, outcome, callId }) => {
    const seq = callId === null || outcome !== "ok" ? undefined : calls.get(callId)?.[side][0]?.seq;
    return seq === undefined ? [] : [{ askedAt, answeredAt, callId, seq }];
  });
  const byEnd = answered.toSorted((one, other) => one.answeredAt - other.answeredAt);
  const byBeginning = answered.toSorted((one, other) => one.askedAt - other.askedAt);
  let heard = 0;
  let newest = 0;
  for (const { askedAt, callId, seq } of byBeginning) {
    for (let next = byEnd[heard]; next !== undefined && next.answeredAt < askedAt; ) {
      newest = Math.max(newest, next.seq);
      next = byEnd[(heard += 1)];
    }
    const before = newest;
    demand("order", seq > before, callId, () => `${side}: entry ${seq}, heard before: ${before}`);
  }
}

function count(entries: readonly AuditEntry[], ...events: string[]): number {
  return entries.filter(({ record }) => events.includes(record.event)).length;
}

function describeEvents(entries: readonly AuditEntry[]): string {
  const words = entries.map(({ seq, record }) =>
    [seq, record.event, record.code].filter((word) => word !== null).join(" "),
  );
  return words.join(", ") || "nothing";
}
