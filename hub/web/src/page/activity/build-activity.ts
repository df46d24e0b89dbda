import type { AuditEntry } from "@sonde/schemas/audit";
import type { Show } from "./filters.ts";

/** One call of one host: its request and how it ended. */
export type Call = {
  callId: string;
  seq: number;
  at: string;
  principal: string;
  agent: string;
  probe: string;
  /** `running` until its end is on record; `asked` where its end was not looked for. */
  outcome: "running" | "asked" | "ok" | "failure" | "denied" | "unknown";
  code: string | null;
  durationMs: number | null;
  /** What was asked with, or why it was denied. */
  detail: Readonly<Record<string, unknown>>;
};

/** What is shown in a line: a call, or one entry that is no part of a call. */
export type Line =
  | { kind: "call"; seq: number; call: Call }
  | { kind: "entry"; seq: number; entry: AuditEntry };

/** Entries that somebody's looking makes, a reader of this page included. */
const LOOKS: ReadonlySet<string> = new Set(["log.read", "log.opened"]);

/**
 * Builds the lines of a log, the newest first.
 *
 * @param withEnds whether the end of each call whose request is there is there too, if it has ended
 */
export function buildLines(entries: readonly AuditEntry[], withEnds: boolean): Line[] {
  const calls = new Map<string, Call>();
  const lines: Line[] = [];
  for (const entry of entries) {
    const { record, seq } = entry;
    const { callId, event } = record;
    if (callId === null || !event.startsWith("call.")) {
      lines.push({ kind: "entry", seq, entry });
      continue;
    }
    const known = calls.get(callId);
    if (known === undefined) {
      const call = startCall(callId, entry, withEnds ? "running" : "asked");
      calls.set(callId, call);
      lines.push({ kind: "call", seq, call });
    } else endCall(known, entry);
  }
  return lines.toReversed();
}

function startCall(
  callId: string,
  { seq, record }: AuditEntry,
  outcome: "running" | "asked",
): Call {
  const { at, principal, agent, probe, detail } = record;
  const { tool } = detail;
  const call: Call = {
    ...{ callId, seq, at, detail },
    principal: principal ?? "",
    agent: agent ?? "",
    probe: probe ?? (typeof tool === "string" ? tool : ""),
    ...{ outcome, code: null, durationMs: null },
  };
  if (record.event !== "call.request") endCall(call, { seq, record } as AuditEntry);
  return call;
}

function endCall(call: Call, { record: { event, status, code, durationMs } }: AuditEntry): void {
  if (event === "call.reads") return;
  if (event === "call.denied") call.outcome = "denied";
  else if (event === "call.unknown") call.outcome = "unknown";
  else call.outcome = status === "ok" ? "ok" : "failure";
  call.code = code;
  call.durationMs = durationMs;
}

/** The lines of a kind. */
export function chooseLines(lines: readonly Line[], show: Show): Line[] {
  return lines.filter((line) =>
    line.kind === "entry"
      ? isShown(line.entry, show)
      : show === "calls" || show === "all" || (show === "denied" && line.call.outcome === "denied"),
  );
}

/** Whether an entry is something of that kind. */
export function isShown({ record: { callId, event, status } }: AuditEntry, show: Show): boolean {
  if (show === "all") return true;
  const isCall = callId !== null && event.startsWith("call.");
  if (show === "calls") return isCall;
  if (show === "denied") return status === "denied";
  return !isCall && !LOOKS.has(event) && status !== "denied";
}
