import type { AuditEntry } from "@sonde/schemas/audit";

/** One call of one host: its request and how it ended. */
export type Call = {
  callId: string;
  seq: number;
  at: string;
  principal: string;
  agent: string;
  probe: string;
  /** `running` until its end is on record. */
  outcome: "running" | "ok" | "failure" | "denied" | "unknown";
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

/** Builds the lines of a log, the newest first. */
export function buildLines(entries: readonly AuditEntry[]): Line[] {
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
      const call = startCall(callId, entry);
      calls.set(callId, call);
      lines.push({ kind: "call", seq, call });
    } else endCall(known, entry);
  }
  return lines.toReversed();
}

function startCall(callId: string, { seq, record }: AuditEntry): Call {
  const { at, principal, agent, probe, detail } = record;
  const { tool } = detail;
  const call: Call = {
    ...{ callId, seq, at, detail },
    principal: principal ?? "",
    agent: agent ?? "",
    probe: probe ?? (typeof tool === "string" ? tool : ""),
    ...{ outcome: "running", code: null, durationMs: null },
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

export type Show = "calls" | "acts" | "denied" | "all";

/** The lines that fit: each word is in what the line says. */
export function chooseLines(
  lines: readonly Line[],
  { text, show }: { text: string; show: Show },
  nameOf: (principal: string) => string,
): Line[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return lines.filter((line) => {
    if (!isShown(line, show)) return false;
    if (words.length === 0) return true;
    const said = wordsOf(line, nameOf).join(" ").toLowerCase();
    return words.every((word) => said.includes(word));
  });
}

function isShown(line: Line, show: Show): boolean {
  if (show === "all") return true;
  if (line.kind === "call") {
    return show === "calls" || (show === "denied" && line.call.outcome === "denied");
  }
  const { event, status } = line.entry.record;
  if (show === "denied") return status === "denied" || event.endsWith(".refused");
  return show === "acts" && !LOOKS.has(event) && status !== "denied";
}

function wordsOf(line: Line, nameOf: (principal: string) => string): string[] {
  if (line.kind === "call") {
    const { principal, agent, probe, outcome, code, callId } = line.call;
    return [principal, nameOf(principal), agent, probe, outcome, code ?? "", callId];
  }
  const { principal, agent, event, status, code } = line.entry.record;
  return [principal ?? "", nameOf(principal ?? ""), agent ?? "", event, status, code ?? ""];
}
