import { type AuditEntry, type AuditRecord, buildAuditRecord } from "@sonde/schemas/audit";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { expect, test } from "vitest";
import { type Asked, checkHistory, type History, type Rule } from "./check-history.ts";

const FIRST = "00000000-0000-4000-8000-000000000001";
const SECOND = "00000000-0000-4000-8000-000000000002";
const LOST = "00000000-0000-4000-8000-000000000003";

type Line = [event: AuditRecord["event"], callId: string | null, known?: Partial<AuditRecord>];

function buildLog(lines: readonly Line[]): AuditEntry[] {
  let head = EMPTY_HEAD;
  return lines.map(([event, callId, known = {}]) => {
    const entry = chainRecord(head, buildAuditRecord(new Date(0), event, { callId, ...known }));
    head = headAfter(entry);
    return entry;
  });
}

const ok = { status: "ok" } as const;
const HUB: Line[] = [
  ["call.request", FIRST],
  ["call.response", FIRST, ok],
  ["call.request", SECOND],
  ["call.response", SECOND, ok],
];
const ask = (callId: string | null, askedAt: number, outcome = "ok"): Asked => ({
  ...{ callId, askedAt, answeredAt: askedAt + 5, outcome },
});
const ASKED = [ask(FIRST, 0), ask(SECOND, 10)];

const build = (parts: { asked?: Asked[]; hub?: Line[]; agent?: Line[] } = {}): History => ({
  asked: parts.asked ?? ASKED,
  hub: buildLog(parts.hub ?? HUB),
  agent: { name: "web-1", entries: buildLog(parts.agent ?? parts.hub ?? HUB) },
});
const brokenRules = (history: History): Rule[] => [
  ...new Set(checkHistory(history).violations.map(({ rule }) => rule)),
];

test("a history without a fault has no violation, and each rule was applied", () => {
  const { violations, checked } = checkHistory(build());
  expect(violations).toEqual([]);
  expect(checked).toEqual({
    ...{ recorded: 2, once: 2, closed: 2, acknowledged: 2, order: 4, known: 2 },
    alarm: 8,
  });
});

test("a call that ran and that the hub did not record is found", () => {
  const agent: Line[] = [...HUB, ["call.request", LOST]];
  expect(brokenRules(build({ hub: HUB, agent }))).toEqual(["recorded"]);
});

test.each<[string, Line[], Line[]]>([
  ["recorded twice", [...HUB, ["call.request", FIRST]], HUB],
  ["ended twice", [...HUB, ["call.unknown", FIRST]], HUB],
  ["run twice", HUB, [...HUB, ["call.request", FIRST]]],
  ["answered twice", HUB, [...HUB, ["call.response", FIRST, ok]]],
])("a call that was %s is found", (_, hub, agent) => {
  expect(brokenRules(build({ hub, agent }))).toContain("once");
});

test("a request without an outcome is found", () => {
  const hub: Line[] = [...HUB, ["call.request", LOST]];
  expect(brokenRules(build({ hub, agent: HUB }))).toEqual(["closed"]);
});

test.each<[string, { asked?: Asked[]; hub?: Line[]; agent?: Line[] }]>([
  ["that the hub's log lacks", { hub: HUB.slice(0, 2), agent: HUB.slice(0, 2) }],
  ["that the agent's log lacks", { hub: HUB, agent: HUB.slice(0, 3) }],
  [
    "that the hub recorded as failed",
    {
      hub: [...HUB.slice(0, 3), ["call.response", SECOND, { status: "failure" }]],
      agent: HUB,
    },
  ],
  [
    "that the request was not recorded, of one that was answered",
    {
      asked: [ask(FIRST, 0), ask(SECOND, 10, "AUDIT_UNAVAILABLE")],
    },
  ],
  ["with another code", { asked: [ask(FIRST, 0), ask(SECOND, 10, "CALL_TIMEOUT")] }],
])("an answer %s is found", (_, parts) => {
  expect(brokenRules(build(parts))).toContain("acknowledged");
});

test("an answer whose entry died with its hub is on record as unknown", () => {
  const hub: Line[] = [...HUB.slice(0, 3), ["call.unknown", SECOND, { status: "failure" }]];
  expect(brokenRules(build({ hub, agent: HUB }))).toEqual([]);
});

test("a request that could not be recorded is nowhere on record", () => {
  expect(brokenRules(build({ asked: [...ASKED, ask(LOST, 20, "AUDIT_UNAVAILABLE")] }))).toEqual([]);
  expect(brokenRules(build({ asked: [...ASKED, ask(LOST, 20)] }))).toEqual(["acknowledged"]);
});

test("a call that began after an answer and is recorded before it is found, on either side", () => {
  const turned: Line[] = [...HUB.slice(2), ...HUB.slice(0, 2)];
  expect(brokenRules(build({ hub: turned, agent: HUB }))).toEqual(["order"]);
  expect(brokenRules(build({ hub: HUB, agent: turned }))).toEqual(["order"]);
  // Calls at the same time have no order.
  const together = [ask(FIRST, 0), ask(SECOND, 1)];
  expect(brokenRules(build({ asked: together, hub: turned }))).toEqual([]);
});

test("a fault that looks like a forged log is found", () => {
  const hub: Line[] = [...HUB, ["agent.refused", null, { code: "AGENT_ROLLED_BACK" }]];
  expect(brokenRules(build({ hub, agent: HUB }))).toEqual(["alarm"]);
});

test("an answer that names nothing is found, also one without a call's id", () => {
  for (const outcome of ["INTERNAL", "no code"]) {
    expect(brokenRules(build({ asked: [...ASKED, ask(null, 20, outcome)] }))).toEqual(["known"]);
  }
});
